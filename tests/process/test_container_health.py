"""The HEALTHCHECK of the Dockerfile, run for real processes with every form of address."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.authority import Authority, Files
from support.commands import PATIENCE, Process, started
from support.paths import ROOT

[HEALTHCHECK] = re.findall(
    r"^HEALTHCHECK .* CMD (\[.*\])$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE
)
COMMAND: list[str] = json.loads(HEALTHCHECK)

GATEWAY = ("-m", "rooms_gateway", "serve", "--emulator")
EMULATOR = ("-m", "rooms_gateway", "emulator")
ANY_PORT = ("--listen", "127.0.0.1:0")
EVERY_ADDRESS = ("--listen", "0.0.0.0:0", "--allow-plaintext")
READY = r"(.*ready.*)"

OURS = Authority()


def environment() -> dict[str, str]:
    """Return the environment of the image: `python` is that of the package."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path}


async def check(process: Process) -> int:
    """Run the command of the Dockerfile for a process, which is number 1 in a container only."""
    checked = await asyncio.create_subprocess_exec(
        *(*COMMAND, str(process.process.pid)),
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, err = await checked.communicate()
    assert out == b""
    assert b"Traceback" not in err, err.decode()
    assert checked.returncode is not None
    return checked.returncode


def assert_unlogged(process: Process) -> None:
    """Assert that a check is no line of the log."""
    for sign in ("health", "rror", "andshake"):
        assert sign not in process.err, process.err


@pytest.mark.parametrize(
    "arguments",
    [
        (*EMULATOR, *ANY_PORT),
        (*EMULATOR, "--listen", "[::1]:0"),
        (*EMULATOR, *EVERY_ADDRESS, "--json", "--quiet"),
        (*EMULATOR, *ANY_PORT, "--control-listen", "127.0.0.1:0"),
        ("-m", "rooms_emulator", *ANY_PORT),
        (*GATEWAY, *ANY_PORT),
        (*GATEWAY, *ANY_PORT, "--server", "grpc"),
        (*GATEWAY, *EVERY_ADDRESS),
        (*GATEWAY, "--listen", "[::]:0", "--allow-plaintext", "--server", "grpc"),
        (*GATEWAY, *ANY_PORT, "--admin-listen", "127.0.0.1:0"),
        (*GATEWAY, *ANY_PORT, "--listen", "unix:{folder}/other socket"),
        (*GATEWAY, "--listen", "unix:{folder}/socket"),
        (*GATEWAY, "--listen", "unix:{folder}/socket", "--server", "grpc"),
    ],
    ids=lambda arguments: " ".join(arguments[1:]),
)
async def test_a_running_process_is_healthy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """With any address; and the check leaves no line in the log."""
    real = [argument.replace("{folder}", str(tmp_path)) for argument in arguments]
    async with started(*real, program=sys.executable) as process:
        await process.line(READY)
        assert [await check(process) for _ in range(2)] == [0, 0]
        assert_unlogged(process)


@pytest.mark.parametrize("server", ["loop", "grpc"])
@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mTLS"])
async def test_a_gateway_with_tls_is_healthy(server: str, *, mutual: bool, tmp_path: Path) -> None:
    """Its certificate is not verified; and the check has no client certificate."""
    flags = Files(tmp_path).write(OURS.issue(), OURS).flags(mutual=mutual)
    arguments = (*GATEWAY, *ANY_PORT, "--server", server, *flags)
    async with started(*arguments, program=sys.executable) as process:
        await process.line(READY)
        assert [await check(process) for _ in range(2)] == [0, 0]
        assert_unlogged(process)


async def test_settings_in_the_environment_suffice(tmp_path: Path) -> None:
    """A control key too, which the check does not have."""
    key = {"ROOMS_EMULATOR_CONTROL_KEY": "a-key-of-this-test"}
    async with started(*EMULATOR, *ANY_PORT, env=key, program=sys.executable) as process:
        await process.line(READY)
        assert await check(process) == 0
    serve = {"ROOMS_GATEWAY_EMULATOR": "true", "ROOMS_GATEWAY_LISTEN": f"unix:{tmp_path}/socket"}
    async with started(*GATEWAY[:-1], env=serve, program=sys.executable) as process:
        await process.line(READY)
        assert await check(process) == 0


@pytest.mark.parametrize("arguments", [(*EMULATOR, *ANY_PORT), (*GATEWAY, *ANY_PORT)])
async def test_a_stopped_process_is_unhealthy(arguments: tuple[str, ...]) -> None:
    """It accepts connections, as the kernel does that, but does not respond."""
    async with started(*arguments, program=sys.executable) as process:
        await process.line(READY)
        process.signal(signal.SIGSTOP)
        assert await check(process) == 1
        process.signal(signal.SIGCONT)
        assert await check(process) == 0


async def test_an_emulator_without_a_listener_is_unhealthy() -> None:
    async with started(*EMULATOR, *ANY_PORT, "--quiet", program=sys.executable) as process:
        endpoint = await process.line("endpoint=(.*)/;accesskey=.*")
        curl = ("-sf", f"{endpoint}/_emulator/refuse", "-d", '{"seconds": 3600}')
        done = await asyncio.create_subprocess_exec("curl", *curl)
        assert await done.wait() == 0
        assert await check(process) == 1


async def test_the_embedded_emulator_is_no_gateway() -> None:
    """A gateway that is not SERVING is unhealthy, although its emulator responds."""
    async with started(
        *GATEWAY, *ANY_PORT, "--drain-delay", "600", program=sys.executable
    ) as process:
        await process.line(READY)
        process.signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            while await check(process) == 0:
                await asyncio.sleep(0.1)
        assert not process.ended


async def test_another_program_is_unhealthy() -> None:
    async with started(
        "-c", "print('ready'); import time; time.sleep(600)", program=sys.executable
    ) as process:
        assert await check(process) == 1


@pytest.mark.parametrize("init", [(), ("sh", "-c", '"$@" & wait', "init")], ids=["exec", "init"])
@pytest.mark.parametrize("arguments", [EMULATOR, GATEWAY], ids=["emulator", "gateway"])
async def test_the_exact_command_in_namespaces(
    init: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    """As in a container, the process or an init process is number 1, with its own network."""
    isolate = ("--user", "--map-root-user", "--pid", "--fork", "--net", "--mount-proc")
    up = ("sh", "-c", 'ip link set lo up && exec "$@"', "container")
    if not shutil.which("unshare") or await quietly("unshare", *isolate, *up, "true"):
        pytest.skip("namespaces are not permitted here")
    container = (*isolate, "--kill-child", *up, *init, sys.executable, *arguments)
    async with started(*container, program="unshare") as process:
        await process.line(READY)
        outer = process.process.pid
        inner = child_of(outer)
        enter = ("--target", inner, "--user", "--pid", "--net", "--mount", "--preserve-credentials")
        assert await quietly("nsenter", *enter, *COMMAND) == 0
        with suppress(ProcessLookupError):
            os.kill(int(inner), signal.SIGKILL)


def child_of(pid: int) -> str:
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return child


async def quietly(program: str, *arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(program, *arguments), env=environment(), stderr=subprocess.DEVNULL
    )
    return await process.wait()
