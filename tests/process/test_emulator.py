"""The emulator as a process: `rooms-gateway emulator` and `python -m rooms_emulator`."""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.collectors import get
from support.commands import COMMAND, PATIENCE, Finished, Process, run, started
from support.fast_gateway import quick_gateway
from support.gateways import failure_of, until

from rooms_emulator import DEVELOPMENT_KEY
from rooms_gateway.settings import Upstream
from rooms_gateway.testing.control import Control, ControlError
from rooms_gateway.upstream.endpoint import parse_connection_string

KEY = base64.b64encode(b"another key").decode()
ANY_PORT = ("--listen", "127.0.0.1:0")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A command that runs the emulator."""

    name: str
    program: str
    arguments: tuple[str, ...]

    def started(self, *options: str) -> AbstractAsyncContextManager[Process]:
        return started(*self.arguments, *options, program=self.program)

    async def run(self, *options: str) -> Finished:
        return await run(*self.arguments, *options, program=self.program)


GATEWAY = EntryPoint("rooms-gateway emulator", COMMAND, ("emulator",))
MODULE = EntryPoint("python -m rooms_emulator", sys.executable, ("-m", "rooms_emulator"))

both_entry_points = pytest.mark.parametrize(
    "entry_point", [GATEWAY, MODULE], ids=lambda entry_point: entry_point.name
)


def upstream_of(connection_string: str) -> Upstream:
    return Upstream.with_key(*parse_connection_string(connection_string))


def files_of(pid: int) -> int:
    return max(int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()) + 1


@both_entry_points
async def test_help_names_the_command(entry_point: EntryPoint) -> None:
    done = await entry_point.run("--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: {entry_point.name} [OPTIONS]\n")


@both_entry_points
async def test_prints_a_working_connection_string(entry_point: EntryPoint) -> None:
    """It is a line by itself, and the line before names the command and the address."""
    async with entry_point.started(*ANY_PORT) as process:
        string = await process.line(
            rf"(endpoint=http://127\.0\.0\.1:[1-9]\d*/;accesskey={DEVELOPMENT_KEY})"
        )
        async with quick_gateway(upstream_of(string)) as quick:
            assert (await quick.rooms.CreateRoom(CreateRoomRequest())).room.id
    endpoint = string.removeprefix("endpoint=").partition("/;")[0]
    assert process.out == f"{entry_point.name} is ready on {endpoint}\n{string}\n"


async def test_prints_control_endpoint_and_fault_seed(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text('seed = 7\n[[faults]]\npreset = "outage"\n')
    control = ("--control-listen", "127.0.0.1:0")
    async with MODULE.started(*ANY_PORT, *control, "--faults", str(file)) as process:
        await process.line(r"(control=http://127\.0\.0\.1:[1-9]\d*)")
        await process.line("(fault-seed=7)")


@both_entry_points
async def test_quota_flags_set_the_quotas(entry_point: EntryPoint) -> None:
    flags = ("--quota", "CreateRoom=100/1s,counted", "--quota", "reads=5/30s,window")
    async with entry_point.started(*ANY_PORT, *flags) as process:
        address = await process.line("endpoint=http://(.*)/;accesskey=.*")
        quotas = json.loads((await get(address, "/_emulator/quotas"))[1])["quotas"]
    assert [each["quota"] for each in quotas] == list(flags[1::2])


@pytest.mark.parametrize("source", ["file", "variable"])
async def test_the_control_key_is_required(source: str, tmp_path: Path) -> None:
    """Blanks around that of a file are ignored."""
    key, file = "a-key-of-this-test", tmp_path / "key"
    file.write_text(f" {key}\n")
    flags = ("--control-key-file", str(file)) if source == "file" else ()
    env = {} if flags else {"ROOMS_EMULATOR_CONTROL_KEY": key}
    async with started("emulator", *ANY_PORT, *flags, env=env) as process:
        endpoint = await process.line("endpoint=(.*)/;accesskey=.*")
        await asyncio.to_thread(Control(endpoint, key).call, "POST", "reset")
        for wrong in (None, "another-key-of-this-test"):
            with pytest.raises(ControlError, match="send Authorization: Bearer KEY"):
                await asyncio.to_thread(Control(endpoint, wrong).call, "POST", "reset")


async def test_only_the_given_key_is_accepted() -> None:
    async with GATEWAY.started(*ANY_PORT, "--access-key", KEY) as process:
        string = await process.line("(endpoint=.*)")
        assert string.endswith(f";accesskey={KEY}")
        async with quick_gateway(upstream_of(string)) as quick:
            assert (await quick.rooms.CreateRoom(CreateRoomRequest())).room.id
        async with quick_gateway(upstream_of(string.replace(KEY, DEVELOPMENT_KEY))) as quick:
            failed = await failure_of(quick.rooms.CreateRoom(CreateRoomRequest()))
            assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"


@pytest.mark.parametrize(
    ("entry_point", "number"),
    [(GATEWAY, signal.SIGTERM), (MODULE, signal.SIGINT)],
    ids=lambda each: each.name,
)
async def test_a_signal_shuts_down_with_exit_code_0(
    entry_point: EntryPoint, number: signal.Signals
) -> None:
    async with entry_point.started(*ANY_PORT, "--quiet") as process:
        await process.line("(endpoint=.*)")
        process.signal(number)
        assert await process.exit_code() == 0
    assert process.err == ""


async def test_a_second_signal_forces_the_exit() -> None:
    """The shutdown waits for a request in flight; a second signal ends it with exit code 1."""
    async with MODULE.started(*ANY_PORT, "--quiet") as process:
        address = await process.line("endpoint=http://(.*)/;accesskey=.*")
        host, port = address.split(":")
        control = b'{"latency": 3600}'
        head = "POST /_emulator/faults HTTP/1.1\r\nHost: localhost\r\n"
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{head}Content-Length: {len(control)}\r\n\r\n".encode() + control)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        _, hanging = await asyncio.open_connection(host, int(port))
        hanging.write(b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            while "/rooms" not in (await get(address, "/_emulator/journal"))[1]:
                await asyncio.sleep(0.01)
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGINT)
        assert await process.exit_code() == 1
        writer.close()
        hanging.close()
    assert process.err == ""


@pytest.mark.parametrize(
    ("before", "shuts_down"),
    [(["env", "--default-signal=HUP"], True), (["nohup"], False)],
    ids=["terminal closed", "nohup"],
)
async def test_sighup_is_ignored_only_with_nohup(*, before: list[str], shuts_down: bool) -> None:
    program, *options = before
    command = (*options, COMMAND, "emulator", *ANY_PORT)
    async with started(*command, program=program) as process:
        await process.line("(endpoint=.*)")
        process.signal(signal.SIGHUP)
        if not shuts_down:
            # Were SIGHUP handled, this would be the second signal, with exit code 1.
            process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0


async def test_waiting_clients_are_served_after_emfile() -> None:
    """Out of file descriptors it logs a warning, and accepts again once some are free."""
    async with GATEWAY.started(*ANY_PORT) as process, AsyncExitStack() as stack:
        host, port = (await process.line("endpoint=http://(.*)/;accesskey=.*")).split(":")
        pid = process.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files_of(pid) + 4, before[1]))
        for _ in range(8):
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
        await until(lambda: "cannot accept connections (Too many open files)" in process.err)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        writer.write(b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")


@both_entry_points
async def test_a_used_port_is_exit_code_3(entry_point: EntryPoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as owner:
        address = f"127.0.0.1:{owner.getsockname()[1]}"
        done = await entry_point.run("--listen", address)
    assert done.code == 3
    [line] = done.err.splitlines()
    assert line.startswith(f"{entry_point.name}: cannot listen on {address}: Address already")
    assert line.count("cannot listen") == 1


@both_entry_points
async def test_an_invalid_option_of_a_process(entry_point: EntryPoint) -> None:
    done = await entry_point.run("--access-key", "canary!")
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.startswith(f"{entry_point.name}: the access key is not base64")
    assert "canary" not in line


async def test_the_embedded_emulator_has_a_fixed_port() -> None:
    """So a script can use its control API; a port in use is exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        serve = ("serve", "--emulator", "--listen", "127.0.0.1:0", "--emulator-listen", address)
        done = await run(*serve)
    assert done.code == 3
    assert done.err.startswith(f"rooms-gateway: cannot listen on {address}: Address already")
    assert "choose another address with --emulator-listen" in done.err
    async with started(*serve) as process:
        await process.line(rf"in front of an emulator: (endpoint=http://{address}/;accesskey=.*)")
        assert (await get(address, "/_emulator/journal"))[0] == 200
