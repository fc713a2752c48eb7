"""From start to stop: binding, health, admission, drain."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from google.rpc.error_details_pb2 import RetryInfo
from grpc._cython import cygrpc  # type: ignore[attr-defined] # not in the stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from running import Running, collect, failure_of, gateway_before, until, upstream_of
from scripted import scripted, silence

import gateway
from gateway.app import Gateway
from gateway.emulator import Emulator, Fault
from gateway.listen import SERVER_OPTIONS, BindError
from gateway.settings import Settings, Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ["", "acs.rooms.v1.RoomsService", "acs.rooms.v1.ParticipantsService"]

NO_HURRY = 60.0
"""A grace so long that a stop which waits for it fails the test."""


def health_of(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def status_of(channel: grpc.aio.Channel, name: str = "") -> int:
    answer = await health_of(channel).Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


def settings(upstream: Upstream | None = None, **others: Any) -> Settings:
    return Settings(
        upstream=upstream, **{"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", **others}
    )


async def create_through(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rooms_pb2_grpc.RoomsServiceStub(channel)
        return (await stub.CreateRoom(CreateRoomRequest())).room.id


# --- health ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
async def test_a_gateway_that_is_up_is_serving_as_a_whole_and_in_each_service(
    running: Running, name: str
) -> None:
    assert await status_of(running.channel, name) == SERVING


async def test_the_health_of_a_service_that_there_is_not_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, "acs.rooms.v1.NoSuchService")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_gateway_is_serving_whether_its_upstream_is_there_or_not() -> None:
    async with scripted(silence) as service:
        upstream = service.upstream
    async with (
        Gateway(settings(upstream)) as alone,
        grpc.aio.insecure_channel(alone.addresses[0]) as channel,
    ):
        assert await status_of(channel) == SERVING


@pytest.mark.parametrize("name", NAMES)
async def test_a_watcher_sees_serving_and_at_the_stop_not_serving(
    emulator: Emulator, name: str
) -> None:
    gateway = await Gateway(settings(upstream_of(emulator), drain_grace=NO_HURRY)).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        watch = aiter(health_of(channel).Watch(health_pb2.HealthCheckRequest(service=name)))
        assert (await anext(watch)).status == SERVING
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == NOT_SERVING
        await stop


# --- the stop -------------------------------------------------------------------------------------


@asynccontextmanager
async def being_stopped(running: Running) -> AsyncIterator[asyncio.Task[None]]:
    """Start to stop a gateway as a signal does; yield when nobody new gets in any more."""
    stop = asyncio.create_task(running.gateway.__aexit__(None, None, None))
    await until(lambda: not _accepts(running.gateway.addresses[0]))
    yield stop
    await stop


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture
async def patient(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_before(emulator, drain_grace=NO_HURRY) as running:
        yield running


async def test_calls_in_flight_at_the_stop_are_finished(patient: Running) -> None:
    [room] = patient.emulator.store.seed(1)
    patient.emulator.faults.add(Fault(latency=0.4, count=None))
    request = GetRoomRequest(room_id=room)
    calls = [asyncio.ensure_future(patient.rooms.GetRoom(request).code()) for _ in range(80)]
    await until(lambda: patient.requests() == 80)
    async with being_stopped(patient):
        assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}


async def test_a_stream_in_flight_at_the_stop_is_finished(patient: Running) -> None:
    patient.emulator.store.seed(95)
    patient.emulator.faults.add(Fault(operation="ListRooms", latency=0.1, count=None))
    pages = asyncio.ensure_future(collect(patient.rooms.ListRooms(ListRoomsRequest())))
    await until(lambda: patient.requests() == 1)
    async with being_stopped(patient):
        assert sum(len(page.rooms) for page in await pages) == 95


async def test_a_failure_in_flight_at_the_stop_keeps_its_status(patient: Running) -> None:
    patient.emulator.faults.add(Fault(latency=0.3))
    call = patient.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000"))
    await until(lambda: patient.requests() == 1)
    async with being_stopped(patient):
        assert (await failure_of(call)).reason == "ROOM_NOT_FOUND"


async def test_nobody_new_gets_in_while_calls_are_finished(patient: Running) -> None:
    patient.emulator.faults.add(Fault(latency=0.5))
    call = asyncio.ensure_future(patient.rooms.CreateRoom(CreateRoomRequest()).code())
    await until(lambda: patient.requests() == 1)
    async with being_stopped(patient):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await create_through(patient.gateway.addresses[0])
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await call is grpc.StatusCode.OK
    assert patient.requests() == 1


async def test_streams_that_never_end_by_themselves_do_not_hold_up_the_stop(
    patient: Running,
) -> None:
    watch = aiter(health_of(patient.channel).Watch(health_pb2.HealthCheckRequest()))
    await anext(watch)
    # The stubs know only synchronous channels.
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", patient.channel))
    reflected = stub.ServerReflectionInfo()
    await reflected.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await reflected.read()
    async with asyncio.timeout(NO_HURRY / 2), being_stopped(patient):
        pass


async def test_a_watcher_who_does_not_read_does_not_hold_up_the_stop(patient: Running) -> None:
    host, _, port = patient.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    # HTTP/2 by hand: no client would offer a window of 0, so that not a byte can be sent.
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, struct.pack(">HI", 4, 0)))
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Watch"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    writer.write(_frame(1, 0x4, 1, b"".join(_literal(*header) for header in headers)))
    writer.write(_frame(0, 0x1, 1, b"\0\0\0\0\0"))
    # The answer's head comes, its message cannot.
    received = b""
    while b"application/grpc" not in received:
        received += await reader.read(1000)
    async with asyncio.timeout(NO_HURRY / 2), being_stopped(patient):
        pass
    writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


@asynccontextmanager
async def busy_gateway(grace: float) -> AsyncIterator[tuple[Gateway, asyncio.Future[Any]]]:
    """Run a gateway with a call that its service never answers; yield both."""
    async with scripted(silence) as service:
        gateway = await Gateway(settings(service.upstream, drain_grace=grace)).__aenter__()
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
            stub = rooms_pb2_grpc.RoomsServiceStub(channel)
            call = asyncio.ensure_future(stub.GetRoom(GetRoomRequest(room_id="1")).code())
            await until(lambda: len(service.requests) == 1)
            yield gateway, call
        await until(lambda: service.hung_up == 1)


async def test_a_call_that_outlasts_the_grace_gets_a_status_and_its_request_is_ended() -> None:
    async with busy_gateway(grace=0.1) as (gateway, call):
        await gateway.__aexit__(None, None, None)
        assert await call is grpc.StatusCode.UNAVAILABLE


async def test_a_stop_that_is_cut_short_gives_calls_a_status_and_is_no_bug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", "gateway")
    async with busy_gateway(grace=NO_HURRY) as (gateway, call):
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        await until(lambda: not _accepts(gateway.addresses[0]))
        stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        assert await call is grpc.StatusCode.UNAVAILABLE
    assert "code=CANCELLED" in caplog.text
    assert "GATEWAY_BUG" not in caplog.text


async def test_what_a_gateway_listened_on_is_free_after_its_stop(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with Gateway(settings(listen=("127.0.0.1:0", f"unix:{path}"))) as first:
        addresses = tuple(first.addresses)
    assert not path.exists()
    async with Gateway(settings(listen=addresses)) as second:
        assert tuple(second.addresses) == addresses


async def test_a_stop_leaves_no_task_behind(emulator: Emulator) -> None:
    before = asyncio.all_tasks()
    async with gateway_before(emulator) as running:
        await running.rooms.CreateRoom(CreateRoomRequest())
    await emulator.stop()
    await until(lambda: asyncio.all_tasks() == before)


# --- admission ------------------------------------------------------------------------------------


async def test_calls_above_the_limit_are_refused_and_health_still_answers(
    emulator: Emulator,
) -> None:
    [room] = emulator.store.seed(1)
    request = GetRoomRequest(room_id=room)
    emulator.faults.add(Fault(latency=1.0, count=2))
    async with gateway_before(emulator, max_concurrent_calls=2) as running:
        calls = [asyncio.ensure_future(running.rooms.GetRoom(request).code()) for _ in range(2)]
        await until(lambda: running.requests() == 2)
        failed = await failure_of(running.rooms.GetRoom(request))
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "GATEWAY_OVERLOADED",
        )
        assert failed.metadata["attempts"] == "0"
        assert failed.detail(RetryInfo) is not None
        assert await status_of(running.channel) == SERVING
        assert running.requests() == 2
        assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}
        assert (await running.rooms.GetRoom(request)).room.id == room


async def test_a_refused_or_failed_call_frees_its_place(emulator: Emulator) -> None:
    async with gateway_before(emulator, max_concurrent_calls=1) as running:
        for _ in range(3):
            failed = await failure_of(running.rooms.GetRoom(GetRoomRequest()))
            assert failed.reason == "REQUEST_INVALID"
            failed = await failure_of(
                running.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000"))
            )
            assert failed.reason == "ROOM_NOT_FOUND"


async def test_a_request_larger_than_a_mebibyte_is_refused_before_it_is_read(
    running: Running,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.GetRoom(GetRoomRequest(room_id="x" * (1 << 20)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.requests() == 0


def test_every_option_of_grpc_that_we_set_is_one_that_grpc_knows() -> None:
    # A wrong name is ignored without a word.
    library = Path(cygrpc.__file__).read_bytes()
    sources = Path(gateway.__file__).parent.rglob("*.py")
    names = {
        name for source in sources for name in re.findall(r'\("(grpc\.[\w.]+)"', source.read_text())
    }
    assert {name for name, _ in SERVER_OPTIONS} <= names
    assert "grpc.max_receive_message_length" in names
    assert [name for name in names if f"{name}\0".encode() not in library] == []
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms\0" not in library


# --- binding --------------------------------------------------------------------------------------


async def test_port_0_is_reported_as_the_port_that_it_became(emulator: Emulator) -> None:
    async with Gateway(settings(upstream_of(emulator))) as gateway:
        [address] = gateway.addresses
        assert int(address.rpartition(":")[2]) > 0
        await create_through(address)


async def test_every_address_serves(tmp_path: Path) -> None:
    listen = ("127.0.0.1:0", f"unix:{tmp_path}/a", f"unix://{tmp_path}/b", "localhost:0")
    async with Gateway(settings(listen=listen)) as gateway:
        assert len(set(gateway.addresses)) == 4
        for address in gateway.addresses:
            assert await create_through(address)


async def test_an_ipv6_address_serves() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with Gateway(settings(listen=("[::1]:0",))) as gateway:
        assert gateway.addresses[0].startswith("[::1]:")
        assert await create_through(gateway.addresses[0])


async def test_a_port_that_is_taken_is_refused_and_its_owner_serves_on(running: Running) -> None:
    [address] = running.gateway.addresses
    with pytest.raises(BindError, match=f"^cannot listen on {address}: is another gateway"):
        await Gateway(settings(listen=(address,))).__aenter__()
    assert await status_of(running.channel) == SERVING
    await create_through(address)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(BindError, match="the address not of this machine"):
        await Gateway(settings(listen=("192.0.2.1:0",), allow_plaintext=True)).__aenter__()


async def test_a_start_that_fails_lets_go_of_what_it_had_bound(
    running: Running, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{probe.getsockname()[1]}"
    path = f"unix:{tmp_path}/socket"
    with pytest.raises(BindError):
        await Gateway(settings(listen=(free, path, running.gateway.addresses[0]))).__aenter__()
    async with Gateway(settings(listen=(free, path))) as second:
        assert second.addresses == [free, path]


async def test_a_unix_socket_is_open_to_its_owner_and_group_only(tmp_path: Path) -> None:
    async with Gateway(settings(listen=(f"unix:{tmp_path}/socket",))) as gateway:
        mode = (tmp_path / "socket").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        await create_through(gateway.addresses[0])


async def test_a_unix_socket_that_a_gateway_serves_on_is_refused_and_serves_on(
    tmp_path: Path,
) -> None:
    address = f"unix:{tmp_path}/socket"
    async with Gateway(settings(listen=(address,))):
        for _ in range(2):
            with pytest.raises(BindError, match=f"^cannot listen on {address}: another gateway is"):
                await Gateway(settings(listen=(address,))).__aenter__()
        await create_through(address)


async def test_a_socket_file_that_a_dead_gateway_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    async with Gateway(settings(listen=(f"unix:{path}",))) as gateway:
        await create_through(gateway.addresses[0])


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[socket.socket]:
    """Run a server that is no gateway."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen(0)
        yield server


@pytest.mark.parametrize("busy", [False, True])
async def test_a_socket_that_another_server_answers_on_is_not_taken_from_it(
    stranger: socket.socket, *, busy: bool
) -> None:
    path = stranger.getsockname()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.setblocking(False)
        if busy:
            # Its queue is full now: whoever else comes would have to wait.
            waiting.connect(path)
        with pytest.raises(BindError, match=f"^cannot listen on unix:{path}: "):
            await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()
        if not busy:
            stranger.accept()[0].close()
            waiting.connect(path)
        stranger.accept()[0].close()


async def test_a_file_that_is_no_socket_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(BindError, match=r"there is a file that is no socket$"):
        await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()
    assert path.read_text() == "precious"


async def test_a_socket_in_a_folder_that_is_not_there_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing" / "socket"
    with pytest.raises(BindError, match=f"^cannot listen on unix:{path}: {os.strerror(2)}$"):
        await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()


async def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BindError, match=r"^cannot listen on unix:"):
        await Gateway(settings(listen=(f"unix:{tmp_path}/{'x' * 150}",))).__aenter__()
