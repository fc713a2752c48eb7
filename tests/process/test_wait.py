"""`rooms-gateway wait` and `rooms-gateway shutdown`."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from process.test_probes import serving
from support.authority import Authority, Files
from support.collectors import not_ready
from support.commands import COMMAND, PATIENCE, Process, refused_address, run, started
from support.gateways import until

from rooms_emulator import Emulator, Fault
from rooms_gateway.server.admin import AdminListener, Lifecycle

LONG_GRACE = "300"


def server_that_resets(path: Path | None) -> tuple[Callable[[], None], str]:
    """Listen; return a function that resets one connection and stops, and the address."""
    if path is None:
        server = socket.create_server(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()
        address = f"unix:{path}"
    server.settimeout(PATIENCE)

    def reset() -> None:
        with server:
            connection, _ = server.accept()
            # RST instead of FIN: a connection in TIME_WAIT would keep the port in use.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        if path is not None:
            path.unlink()

    return reset, address


# --- wait -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "admin"])
async def test_returns_when_a_gateway_becomes_ready(kind: str, tmp_path: Path) -> None:
    """After an attempt that fails, because no gateway listens there yet."""
    early, target = server_that_resets(tmp_path / "socket" if kind == "unix" else None)
    free = "127.0.0.1:0"
    address, admin = (free, target) if kind == "admin" else (target, free)
    client, server = ["--address", address], ["--listen", address, "--admin-listen", admin]
    if kind == "tls":
        authority = Authority()
        files = Files(tmp_path).write(authority.issue(), authority)
        server += files.flags()
        client += [f"--tls-ca={files.ca}"]
    if kind == "admin":
        client = ["--admin", admin]
    async with started("wait", *client, "--max-wait", "60") as waiting:
        await asyncio.to_thread(early)
        assert not waiting.ended
        async with started("serve", "--emulator", *server):
            assert await waiting.exit_code() == 0
        assert (waiting.out, waiting.err) == ("", "")


@pytest.mark.parametrize("flag", ["--address", "--admin"])
async def test_refused_connection_is_exit_code_1(flag: str) -> None:
    with refused_address() as address:
        done = await run("wait", flag, address, "--max-wait", "0.3")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"rooms-gateway: {address} is not ready after 0.3 s: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("flag", ["--address", "--admin"])
async def test_silent_server_is_exit_code_1_at_max_wait(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = await run("wait", flag, address, "--max-wait", "0.3")
    assert done.code == 1
    assert done.err.count("\n") == 1


async def test_gateway_that_is_not_ready_is_exit_code_3() -> None:
    async with AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", "")) as admin:
        done = await run("wait", "--admin", admin.address, "--max-wait", "2")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"rooms-gateway: {admin.address} is not ready after 2 s: not ready.\n"


class Healths(health.aio.HealthServicer):
    """Health that reports when it is watched."""

    def __init__(self) -> None:
        super().__init__()
        self.watches = 0

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the contract's name
        self.watches += 1
        await super().Watch(request, context)


async def test_health_is_watched_in_one_call() -> None:
    healths = Healths()
    await healths.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    early = await run("wait", "--address", address, "--max-wait", "2")
    assert (early.code, early.err.count("NOT_SERVING.\n")) == (3, 1)
    assert healths.watches == 1
    async with started("wait", "--address", address) as waiting:
        await until(lambda: healths.watches == 2)
        assert not waiting.ended
        await healths.set("", health_pb2.HealthCheckResponse.SERVING)
        assert await waiting.exit_code() == 0
    assert healths.watches == 2
    await server.stop(None)


# --- shutdown -------------------------------------------------------------------------------------


@asynccontextmanager
async def quitting(emulator: Emulator, *flags: str) -> AsyncIterator[tuple[Process, str]]:
    async with serving(emulator, "--quitquitquit", *flags) as (process, admin, _):
        yield process, admin


async def test_shutdown_drains_and_waits_for_the_end(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=1.5))
    async with serving(emulator, "--quitquitquit", "--drain-grace", LONG_GRACE) as served:
        process, admin, channel = served
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        call = asyncio.ensure_future(stub.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: len(emulator.journal) == 1)
        done = await run("shutdown", "--admin", admin, "--wait")
        assert call.done()
        assert await call is grpc.StatusCode.OK
        assert await process.exit_code() == 0
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_second_signal_after_shutdown_forces_it(emulator: Emulator) -> None:
    async with quitting(emulator, "--drain-delay", LONG_GRACE) as (process, admin):
        assert (await run("shutdown", "--admin", admin)).code == 0
        await not_ready(admin)
        process.signal(signal.SIGTERM)
        late = await run("shutdown", "--admin", admin, "--wait", "--max-wait", "0.5")
        assert late.code == 4
        assert late.err == f"rooms-gateway: {admin} has not stopped within 0.5 s.\n"
        assert not process.ended
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 1


async def test_shutdown_needs_quitquitquit(emulator: Emulator) -> None:
    async with serving(emulator) as (process, admin, _):
        done = await run("shutdown", "--admin", admin)
        assert (done.code, done.err) == (
            3,
            f"rooms-gateway: {admin} has no shutdown over HTTP: start it with --quitquitquit.\n",
        )
        assert not process.ended


async def test_shutdown_of_no_gateway_is_exit_code_1() -> None:
    done = await run("shutdown", "--admin", "127.0.0.1:1", "--wait")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "flag"),
    [("wait", "--address"), ("wait", "--admin"), ("shutdown", "--admin"), ("health", "--address")],
)
async def test_ctrl_c_ends_it_quietly_with_130(command: str, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        # A shell without job control starts background jobs with SIGINT ignored.
        arguments = ("--default-signal=INT", COMMAND, command, flag, address)
        async with started(*arguments, program="env") as process:
            connection, _ = await asyncio.to_thread(silent.accept)
            with connection:
                process.signal(signal.SIGINT)
                assert await process.exit_code() == 130
    assert (process.out, process.err) == ("", "")
