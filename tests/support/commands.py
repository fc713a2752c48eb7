"""The command line: as processes, and in the process of the test."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import socket
import sys
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from click.testing import CliRunner

from rooms_gateway.__main__ import main
from support.forks import Fork, can_fork, fork
from support.gateways import until

COMMAND = str(Path(sys.executable).with_name("rooms-gateway"))

PATIENCE = 60.0
"""Timeout of a condition that is expected to become true, in seconds."""

REFUSING = ("--connection-string", "endpoint=http://127.0.0.1:1;accesskey=a2V5")
"""Flags of a gateway whose upstream refuses connections. It starts in half the CPU time that a
gateway with an embedded emulator needs."""

_OWN_VARIABLES = ("ROOMS_GATEWAY_", "ROOMS_EMULATOR_", "COMMUNICATION_")


@dataclass(slots=True)
class Process:
    """A process, and its output so far."""

    process: asyncio.subprocess.Process | Fork
    out: str = ""
    err: str = ""

    async def line(self, pattern: str) -> str:
        """Wait for a line of standard output; return the group of `pattern` in it."""
        expected = re.compile(f"^{pattern}$", re.MULTILINE)
        await until(
            lambda: expected.search(self._whole_lines()) is not None or self.ended, PATIENCE
        )
        match = expected.search(self.out)
        assert match is not None, f"{self.out}\n{self.err}"
        return match[1]

    async def address(self) -> str:
        """Wait until a gateway is ready; return its first address."""
        return await self.line(r"rooms-gateway is ready on (.*)")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.returncode is not None

    async def exit_code(self) -> int:
        """Wait for the end."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def _whole_lines(self) -> str:
        return self.out[: self.out.rfind("\n") + 1]


@asynccontextmanager
async def started(
    *arguments: str | Path, env: Mapping[str, str] | None = None, program: str = COMMAND
) -> AsyncIterator[Process]:
    """Start `rooms-gateway` with `arguments`; kill it at the end if it still runs.

    It is a fork where that makes no difference, except that its command line is not its own.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)
    }
    command = [program, *map(str, arguments)]
    environment = {**inherited, **(env or {})}
    process: asyncio.subprocess.Process | Fork
    if program == COMMAND and can_fork(env or {}):
        process = await fork(command, environment)
    else:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
    state = Process(process)
    assert process.stdout
    assert process.stderr

    async def follow_out(stream: asyncio.StreamReader) -> None:
        decoder = getincrementaldecoder("utf-8")()
        while text := await stream.read(65536):
            state.out += decoder.decode(text)

    async def follow_err(stream: asyncio.StreamReader) -> None:
        decoder = getincrementaldecoder("utf-8")()
        while text := await stream.read(65536):
            state.err += decoder.decode(text)

    readers = [
        asyncio.ensure_future(follow_out(process.stdout)),
        asyncio.ensure_future(follow_err(process.stderr)),
    ]
    try:
        yield state
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.gather(*readers)


@dataclass(frozen=True, slots=True)
class Finished:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


async def run(
    *arguments: str | Path, env: Mapping[str, str] | None = None, program: str = COMMAND
) -> Finished:
    """Run `rooms-gateway` with `arguments` to its end."""
    async with started(*arguments, env=env, program=program) as process:
        code = await process.exit_code()
    return Finished(code, process.out, process.err)


def invoke(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Finished:
    """Run `rooms-gateway` with `arguments` in this process, which must end before it listens."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(_OWN_VARIABLES)]:
            del os.environ[name]
        runner = CliRunner(catch_exceptions=False)
        done = runner.invoke(main, [*map(str, arguments)], "", env, prog_name="rooms-gateway")
    return Finished(done.exit_code, done.stdout, done.stderr)


def free_addresses(count: int) -> list[str]:
    """Return addresses on loopback with ports that are free now.

    They are below the ports of outgoing connections, which could take them meanwhile.
    """
    addresses: list[str] = []
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            addresses.append(f"127.0.0.1:{port}")
    return addresses[:count]


@contextmanager
def refused_address() -> Iterator[str]:
    """Reserve a port that refuses connections: it is bound, without a listener."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


def accepts_connections(address: str) -> bool:
    """Return whether there is a listener at `host:port`."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True
