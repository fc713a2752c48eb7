"""The compared systems, each in a separate process, all with the same interface."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc

from benchmarks.faults.calls import Call
from benchmarks.faults.grpc_caller import GrpcCaller
from benchmarks.faults.verdicts import Admitted, Outcome
from rooms_emulator import DEVELOPMENT_KEY
from rooms_emulator.faults.presets import SECOND_KEY

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Timeout for startup and for counting tasks, in seconds."""


class Caller(Protocol):
    """Makes one call."""

    async def __call__(self, call: Call) -> Outcome:
        """Return the outcome of `call`."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources that a process holds."""

    tasks: int
    fds: int
    rss: int
    """Resident memory, in bytes."""


@dataclass(slots=True)
class System:
    """A running system."""

    name: str
    process: asyncio.subprocess.Process
    probe: Path
    address: str = ""
    admin: str = ""
    outputs: list[str] = field(default_factory=list)
    """Everything that it wrote to its outputs."""
    caller: Caller | None = None
    channel: grpc.aio.Channel | None = None
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, call: Call) -> Outcome:
        """Make one call."""
        assert self.caller is not None
        return await self.caller(call)

    @property
    def details(self) -> bool:
        """Whether it returns reasons."""
        return self.name == "gateway"

    async def usage(self) -> Usage:
        """Return the resources of the process."""
        # One at a time: a second signal would overwrite the file.
        async with self.probing:
            self.probe.unlink(missing_ok=True)
            self.process.send_signal(signal.SIGUSR1)
            async with asyncio.timeout(PATIENCE):
                while not self.probe.exists():  # noqa: ASYNC110 - files have no event
                    await asyncio.sleep(0.01)
            tasks = int(self.probe.read_text())
        folder = Path(f"/proc/{self.process.pid}")
        rss = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return Usage(tasks, len(list((folder / "fd").iterdir())), rss)


def _command(name: str, endpoint: str, keys: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the module with its arguments, and the environment."""
    connection = {
        "COMMUNICATION_CONNECTION_STRING": f"endpoint={endpoint};accesskey={DEVELOPMENT_KEY}"
    }
    if name == "gateway":
        upstream = ["--endpoint", endpoint, "--access-key-file", str(keys)]
        listen = ["--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0"]
        return ["rooms_gateway", "serve", *upstream, *listen, "--log-format", "json"], {}
    if name == "naive":
        return ["benchmarks.naive", f"127.0.0.1:{port}"], connection
    return ["benchmarks.faults.sdk_worker"], connection


@asynccontextmanager
async def started(
    name: str,
    endpoint: str,
    *,
    port: int = 0,
    quiet: bool = False,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """Start a system in front of `endpoint`; kill it at the end if it still runs."""
    with tempfile.TemporaryDirectory() as folder:
        keys, probe = Path(folder) / "keys", Path(folder) / "tasks"
        keys.write_text(f"{DEVELOPMENT_KEY}\n{SECOND_KEY}\n")
        keys.chmod(0o600)
        command, own = _command(name, endpoint, keys, port)
        if quiet:
            # One log line per call is useful in production, but not measured here.
            command += ["--log-level", "warning"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "benchmarks.faults.probed", str(probe), *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 24,
            cwd=ROOT,
            env={**_clean(os.environ), **own, **(env or {})},
        )
        system = System(name, process, probe)
        readers: list[asyncio.Future[None]] = [
            asyncio.ensure_future(_follow(system, process.stderr))
        ]
        try:
            await _ready(system, readers)
            yield system
        finally:
            if system.channel is not None:
                await system.channel.close(None)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.gather(*readers, return_exceptions=True)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    others = {k: v for k, v in environ.items() if not k.startswith(("ROOMS_GATEWAY_", "COMMUN"))}
    paths = [str(ROOT), str(ROOT / "gateway"), str(ROOT / "generated/python")]
    return {**others, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}


async def _ready(system: System, readers: list[asyncio.Future[None]]) -> None:
    out = system.process.stdout
    assert out is not None
    async with asyncio.timeout(PATIENCE):
        line = (await out.readline()).decode()
    if " is ready" not in line:
        raise RuntimeError(f"{system.name} did not start: {line}{''.join(system.outputs)}")
    if system.name == "sdk":
        worker = SdkCaller(system.process)
        system.caller = worker
        readers.append(asyncio.ensure_future(worker.listen()))
        return
    readers.append(asyncio.ensure_future(_follow(system, out)))
    system.address = line.split()[-1]
    for text in system.outputs:
        _, mark, rest = text.partition("probes and metrics are on ")
        system.admin = rest.split('"')[0].strip() if mark else system.admin
    options = [("grpc.use_local_subchannel_pool", 1)]
    system.channel = grpc.aio.insecure_channel(system.address, options)
    system.caller = GrpcCaller(system.channel)


async def _follow(system: System, stream: asyncio.StreamReader | None) -> None:
    while stream is not None and (text := await stream.read(1 << 16)):
        system.outputs.append(text.decode(errors="replace"))


class SdkCaller:
    """Makes calls in a process with Microsoft's client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last = 0

    async def __call__(self, call: Call) -> Outcome:
        """Make one call."""
        self._last += 1
        response: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = response
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._last, **asdict(call)}).encode() + b"\n")
        outcome = await response
        results = tuple(Admitted(**each) for each in outcome.pop("results"))
        return Outcome(results=results, **outcome)

    async def listen(self) -> None:
        """Pass responses to the waiting calls."""
        while self._process.stdout is not None and (line := await self._process.stdout.readline()):
            response = json.loads(line)
            waiting = self._waiting.pop(response.pop("id"))
            if not waiting.done():
                waiting.set_result(response)
