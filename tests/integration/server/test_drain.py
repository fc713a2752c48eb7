"""Graceful shutdown: calls in flight finish, new ones are rejected, no resource is leaked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support.gateways import (
    LONG_GRACE,
    NOT_SERVING,
    SERVING,
    UNKNOWN_ROOM,
    Running,
    collect,
    create_through,
    failure_of,
    gateway_for,
    health_of,
    settings,
    stalled_watcher,
    until,
)
from support.upstreams import scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway


@asynccontextmanager
async def shutting_down(running: Running) -> AsyncIterator[asyncio.Task[None]]:
    """Begin a graceful shutdown as a signal does; yield when new connections are refused."""
    shutdown = asyncio.create_task(running.gateway.__aexit__(None, None, None))
    await until(lambda: not _accepts(running.gateway.addresses[0]))
    yield shutdown
    await shutdown


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture
async def patient(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(emulator, drain_grace=LONG_GRACE) as running:
        yield running


async def test_drain_finishes_calls_in_flight(patient: Running) -> None:
    [room] = patient.emulator.store.seed(1)
    patient.emulator.faults.add(Fault(latency=0.4, count=None))
    request = GetRoomRequest(room_id=room)
    calls = [asyncio.ensure_future(patient.rooms.GetRoom(request).code()) for _ in range(80)]
    await until(lambda: patient.requests() == 80)
    async with shutting_down(patient):
        assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}


async def test_drain_finishes_a_stream_in_flight(patient: Running) -> None:
    patient.emulator.store.seed(95)
    patient.emulator.faults.add(Fault(operation="ListRooms", latency=0.1, count=None))
    pages = asyncio.ensure_future(collect(patient.rooms.ListRooms(ListRoomsRequest())))
    await until(lambda: patient.requests() == 1)
    async with shutting_down(patient):
        assert sum(len(page.rooms) for page in await pages) == 95


async def test_drain_keeps_the_status_of_a_failed_call(patient: Running) -> None:
    patient.emulator.faults.add(Fault(latency=0.3))
    call = patient.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM))
    await until(lambda: patient.requests() == 1)
    async with shutting_down(patient):
        assert (await failure_of(call)).reason == "ERROR_REASON_ROOM_NOT_FOUND"


async def test_drain_rejects_new_calls(patient: Running) -> None:
    patient.emulator.faults.add(Fault(latency=0.5))
    call = asyncio.ensure_future(patient.rooms.CreateRoom(CreateRoomRequest()).code())
    await until(lambda: patient.requests() == 1)
    async with shutting_down(patient):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await create_through(patient.gateway.addresses[0])
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await call is grpc.StatusCode.OK
    assert patient.requests() == 1


async def test_endless_streams_do_not_delay_shutdown(
    patient: Running,
) -> None:
    watch = aiter(health_of(patient.channel).Watch(health_pb2.HealthCheckRequest()))
    await anext(watch)
    # The stubs know only synchronous channels.
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", patient.channel))
    reflected = stub.ServerReflectionInfo()
    await reflected.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    await reflected.read()
    async with asyncio.timeout(LONG_GRACE / 2), shutting_down(patient):
        pass


async def test_calls_before_not_serving_are_finished(
    patient: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Health watchers are notified first, since grpc cancels calls that arrive during a stop."""
    # Long enough for 50 calls on a busy host.
    monkeypatch.setattr("rooms_gateway.server.drain._NOTIFY", 3.0)
    request = GetRoomRequest(room_id=patient.emulator.store.seed(1)[0])
    watch = aiter(health_of(patient.channel).Watch(health_pb2.HealthCheckRequest()))
    assert (await anext(watch)).status == SERVING
    shutdown = asyncio.create_task(patient.gateway.__aexit__(None, None, None))
    assert (await anext(watch)).status == NOT_SERVING
    calls = [patient.rooms.GetRoom(request).code() for _ in range(50)]
    assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}
    await shutdown


async def test_stalled_watcher_does_not_delay_shutdown(patient: Running) -> None:
    async with (
        stalled_watcher(patient.gateway.addresses[0]),
        asyncio.timeout(LONG_GRACE / 2),
        shutting_down(patient),
    ):
        pass


@asynccontextmanager
async def busy_gateway(grace: float) -> AsyncIterator[tuple[Gateway, asyncio.Future[Any]]]:
    """Run a gateway with a call to an upstream that never responds; yield both."""
    async with scripted(silence) as service:
        gateway = await Gateway(settings(service.upstream, drain_grace=grace)).__aenter__()
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            call = asyncio.ensure_future(stub.GetRoom(GetRoomRequest(room_id="1")).code())
            await until(lambda: len(service.requests) == 1)
            yield gateway, call
        await until(lambda: service.closed_by_client == 1)


async def test_call_beyond_the_grace_is_unavailable() -> None:
    """The upstream request of the call ends, too."""
    async with busy_gateway(grace=0.1) as (gateway, call):
        await gateway.__aexit__(None, None, None)
        assert await call is grpc.StatusCode.UNAVAILABLE


async def test_forced_shutdown_gives_calls_a_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The calls are logged as cancelled, not as a defect of the gateway."""
    caplog.set_level("DEBUG", "rooms_gateway")
    async with busy_gateway(grace=LONG_GRACE) as (gateway, call):
        shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        await until(lambda: not _accepts(gateway.addresses[0]))
        shutdown.cancel()
        with pytest.raises(asyncio.CancelledError):
            await shutdown
        assert await call is grpc.StatusCode.UNAVAILABLE
    assert "code=CANCELLED" in caplog.text
    assert "ERROR_REASON_GATEWAY_INTERNAL" not in caplog.text


async def test_shutdown_releases_the_addresses(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with Gateway(settings(listen=("127.0.0.1:0", f"unix:{path}"))) as first:
        addresses = tuple(first.addresses)
    assert not path.exists()
    async with Gateway(settings(listen=addresses)) as second:
        assert tuple(second.addresses) == addresses


async def test_shutdown_leaves_no_task_behind(emulator: Emulator) -> None:
    before = asyncio.all_tasks()
    async with gateway_for(emulator) as running:
        await running.rooms.CreateRoom(CreateRoomRequest())
    await emulator.stop()
    await until(lambda: asyncio.all_tasks() == before)
