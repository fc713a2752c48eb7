"""Several processes on one port, with `--reuse-port` only."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2, rooms_service_pb2_grpc
from support.commands import PATIENCE, Process, run, started
from support.gateways import create_through, until

from rooms_emulator import Emulator, Fault

CONNECTIONS = 40
"""The probability that the kernel gives all of these to one of two listeners is 10^-12."""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def upstream(emulator: Emulator) -> dict[str, str]:
    return {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}


def serve(port: int, *flags: str) -> Sequence[str]:
    return ("serve", "--listen", f"127.0.0.1:{port}", *flags)


@asynccontextmanager
async def two_on(port: int, emulator: Emulator) -> AsyncIterator[tuple[Process, Process]]:
    arguments, env = serve(port, "--reuse-port"), upstream(emulator)
    async with started(*arguments, env=env) as one, started(*arguments, env=env) as other:
        assert await one.address() == await other.address()
        yield one, other


def creates(process: Process) -> int:
    """Count the calls in the log of a process."""
    return process.err.count("RoomsService/CreateRoom")


async def call_over_a_new_connection(port: int) -> None:
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", own) as channel:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        await rooms.CreateRoom(rooms_pb2.CreateRoomRequest(), wait_for_ready=True, timeout=20)


async def test_processes_share_connections_of_a_port(emulator: Emulator, port: int) -> None:
    async with two_on(port, emulator) as (one, other):
        await asyncio.gather(*(call_over_a_new_connection(port) for _ in range(CONNECTIONS)))
        # Call log lines are buffered.
        await until(lambda: creates(one) + creates(other) >= CONNECTIONS, PATIENCE)
    assert creates(one) + creates(other) == len(emulator.store) == CONNECTIONS
    assert min(creates(one), creates(other)) > 0


async def test_killed_process_gets_no_connections(emulator: Emulator, port: int) -> None:
    async with two_on(port, emulator) as (one, other):
        one.process.kill()
        await one.exit_code()
        for _ in range(CONNECTIONS):
            await call_over_a_new_connection(port)
        assert not other.ended


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [
        (("--reuse-port",), (), "or pass --reuse-port to all gateways that are to share it"),
        ((), ("--reuse-port",), "in use by a process without --reuse-port"),
    ],
    ids=["the second lacks it", "the first lacks it"],
)
async def test_sharing_needs_the_flag_on_both_sides(
    emulator: Emulator, port: int, first: Sequence[str], second: Sequence[str], hint: str
) -> None:
    async with started(*serve(port, *first), env=upstream(emulator)) as owner:
        address = await owner.address()
        done = await run(*serve(port, *second), env=upstream(emulator))
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith(f"rooms-gateway: cannot listen on {address}: ")
        assert hint in done.err
        assert await create_through(address)


async def test_admin_listener_is_never_shared(emulator: Emulator, port: int) -> None:
    arguments, env = serve(port, "--reuse-port", "--admin-listen"), upstream(emulator)
    async with started(*arguments, "127.0.0.1:0", env=env) as owner:
        await owner.address()
        await until(lambda: "metrics are on http://" in owner.err)
        in_use = owner.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        done = await run(*arguments, in_use, env=env)
    assert done.code == 3
    assert f"cannot listen on {in_use}, for probes and metrics" in done.err
    assert "--admin-listen (each process needs its own, with --reuse-port too)" in done.err


async def test_unix_socket_is_never_shared(emulator: Emulator, port: int, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/socket"
    arguments = serve(port, "--reuse-port", "--listen", path)
    async with started(*arguments, env=upstream(emulator)) as owner:
        address = await owner.address()
        done = await run(*arguments, env=upstream(emulator))
        assert done.code == 3
        assert f"cannot listen on {path}: another gateway is running there" in done.err
        assert await create_through(address)


def listeners(port: int) -> int:
    """Count the sockets that listen on a port; in proc(5), state 0A is LISTEN."""
    files = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    rows = [row.split() for file in files for row in file.read_text("ascii").splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
async def test_draining_process_leaves_the_port_at_once(emulator: Emulator, port: int) -> None:
    emulator.faults.add(Fault(operation="GetRoom", latency=600, count=None))
    own = [("grpc.use_local_subchannel_pool", 1)]
    read = rooms_pb2.GetRoomRequest(room_id="99400000000000001")
    async with two_on(port, emulator) as (one, other), AsyncExitStack() as clients:
        assert listeners(port) == 2
        slow = []
        for _ in range(CONNECTIONS):
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", own)
            rooms = rooms_service_pb2_grpc.RoomsServiceStub(
                await clients.enter_async_context(channel)
            )
            slow.append(rooms.GetRoom(read, wait_for_ready=True))
        await until(lambda: len(emulator.journal) == CONNECTIONS, PATIENCE)
        one.signal(signal.SIGTERM)
        await until(lambda: listeners(port) == 1, PATIENCE)
        # No connection waits for the socket that has closed.
        await asyncio.gather(*(call_over_a_new_connection(port) for _ in range(CONNECTIONS)))
        assert not any(call.done() for call in slow)
        assert not one.ended
        for call in slow:
            call.cancel()
        assert await one.exit_code() == 0
        await until(lambda: creates(other) == CONNECTIONS, PATIENCE)
