"""Limits of concurrency and size, and the statuses of rejected calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from google.rpc.error_details_pb2 import RetryInfo
from support.collectors import scrape
from support.gateways import (
    HANDLERS,
    SERVING,
    UNKNOWN_ROOM,
    Running,
    failure_of,
    gateway_for,
    pushback,
    send,
    status_of,
    until,
)
from support.rosters import pages, until_failure
from support.samples import OVERLOADED, THROTTLED
from support.upstreams import Scripted, answer, held, scripted

from rooms_emulator import Emulator, Fault
from rooms_gateway.settings import Upstream

ROOM = GetRoomRequest(room_id=UNKNOWN_ROOM)


@dataclass(frozen=True, slots=True)
class Held:
    """An upstream that sends no response before `release` is set."""

    state: Scripted
    release: asyncio.Event

    @property
    def upstream(self) -> Upstream:
        return self.state.upstream

    def requests(self) -> int:
        return len(self.state.requests)


@pytest.fixture
async def busy() -> AsyncIterator[Held]:
    """Run an upstream that withholds its responses, so that calls keep their slots."""
    release = asyncio.Event()
    async with scripted(held(release, answer(b'{"id":"1","value":[]}'))) as state:
        yield Held(state, release)


async def test_call_above_the_limits_gets_retry_info(emulator: Emulator, busy: Held) -> None:
    async with gateway_for(
        emulator, busy.upstream, max_concurrent_calls=1, max_queued_calls=0
    ) as running:
        first = asyncio.ensure_future(send(running, CreateRoomRequest()))
        await until(lambda: busy.requests() == 1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await running.rooms.CreateRoom(CreateRoomRequest())
        failed = await failure_of(send(running, CreateRoomRequest()))
        assert not first.done()
        assert (failed.code, failed.reason) == OVERLOADED
        assert failed.metadata["attempts"] == "0"
        retry = failed.detail(RetryInfo)
        assert retry is not None
        assert 500 <= retry.retry_delay.ToMilliseconds() <= 1500
        assert 500 <= int(pushback(raised.value) or 0) <= 1500
        busy.release.set()
        await first
        await send(running, CreateRoomRequest())
    assert busy.requests() == 2


async def test_throttled_call_has_negative_pushback(
    once: Running,
) -> None:
    once.emulator.faults.add(Fault(status=429))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await once.rooms.GetRoom(ROOM)
    assert pushback(raised.value) == "-1"
    once.emulator.faults.add(Fault(status=429))
    failed = await failure_of(once.rooms.GetRoom(ROOM))
    assert (failed.code, failed.reason) == THROTTLED


async def test_queued_calls_are_served_and_counted(emulator: Emulator, busy: Held) -> None:
    async with gateway_for(
        emulator,
        busy.upstream,
        admin_listen="127.0.0.1:0",
        max_concurrent_calls=1,
        max_queued_calls=2,
    ) as running:
        calls = [asyncio.ensure_future(send(running, CreateRoomRequest())) for _ in range(3)]
        await until(lambda: busy.requests() == 1)
        failed = await failure_of(send(running, CreateRoomRequest()))
        assert (failed.code, failed.reason) == OVERLOADED
        seen = await scrape(running.gateway.admin_address)
        assert seen.value("rooms_gateway_calls_queued") == 2
        assert busy.requests() == 1
        busy.release.set()
        await asyncio.gather(*calls)
        assert busy.requests() == 3
        seen = await scrape(running.gateway.admin_address)
        assert seen.value("rooms_gateway_calls_queued") == 0


@pytest.mark.parametrize("origin", ["caller", "gateway"])
async def test_deadline_ends_the_wait_in_the_queue(
    emulator: Emulator, busy: Held, origin: str
) -> None:
    async with gateway_for(
        emulator, busy.upstream, max_concurrent_calls=1, default_timeout=0.2
    ) as running:
        first = asyncio.ensure_future(
            running.rooms.CreateRoom(CreateRoomRequest(), timeout=60).code()
        )
        await until(lambda: busy.requests() == 1)
        call = running.rooms.GetRoom(ROOM, timeout=0.1 if origin == "caller" else None)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not first.done()
        assert busy.requests() == 1
        busy.release.set()
        assert await first is grpc.StatusCode.OK
        assert busy.requests() == 1
        assert await running.rooms.GetRoom(ROOM, timeout=60).code() is grpc.StatusCode.OK


async def test_call_cancelled_in_the_queue_is_not_sent(emulator: Emulator, busy: Held) -> None:
    async with gateway_for(
        emulator,
        busy.upstream,
        admin_listen="127.0.0.1:0",
        max_concurrent_calls=1,
        attempt_timeout=60,
    ) as running:
        first = asyncio.ensure_future(send(running, CreateRoomRequest()))
        await until(lambda: busy.requests() == 1)
        waiting = running.rooms.GetRoom(ROOM)
        await _until_queued(running, 1)
        waiting.cancel()
        await _until_queued(running, 0)
        busy.release.set()
        await first
        assert await running.rooms.GetRoom(ROOM).code() is grpc.StatusCode.OK
        assert busy.requests() == 2


async def _until_queued(running: Running, count: int) -> None:
    async with asyncio.timeout(30):
        while (await scrape(running.gateway.admin_address)).value(
            "rooms_gateway_calls_queued"
        ) != count:
            pass


async def test_failed_call_releases_its_slot(emulator: Emulator) -> None:
    async with gateway_for(emulator, max_concurrent_calls=1, max_queued_calls=0) as running:
        for _ in range(3):
            failed = await failure_of(running.rooms.GetRoom(GetRoomRequest()))
            assert failed.reason == "ERROR_REASON_REQUEST_INVALID"
            failed = await failure_of(running.rooms.GetRoom(ROOM))
            assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"


async def test_calls_and_streams_have_separate_slots(emulator: Emulator, busy: Held) -> None:
    async with gateway_for(
        emulator, busy.upstream, max_concurrent_calls=1, max_queued_calls=0, max_streams=1
    ) as running:
        call = asyncio.ensure_future(send(running, CreateRoomRequest()))
        listing = asyncio.ensure_future(send(running, ListRoomsRequest()))
        await until(lambda: busy.requests() == 2)
        failed = await failure_of(running.rooms.GetRoom(ROOM))
        assert (failed.code, failed.reason) == OVERLOADED
        _, failed = await until_failure(running)
        assert (failed.code, failed.reason) == OVERLOADED
        assert failed.message == "the gateway is at its limit of 1 concurrent streams"
        busy.release.set()
        await asyncio.gather(call, listing)
        assert await pages(running)
        assert await running.rooms.GetRoom(ROOM).code() is grpc.StatusCode.OK


async def test_slow_streams_do_not_block_unary_calls(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="ListRooms", latency=30, count=None))
    async with gateway_for(emulator, max_concurrent_calls=1, max_streams=20) as running:
        lists = [running.rooms.ListRooms(ListRoomsRequest()) for _ in range(20)]
        await until(lambda: running.requests("ListRooms") == 20)
        assert await running.rooms.GetRoom(ROOM, timeout=5).code() is grpc.StatusCode.NOT_FOUND
        for each in lists:
            each.cancel()


@pytest.mark.proves("S13")
async def test_calls_per_caller_are_limited(emulator: Emulator, busy: Held) -> None:
    async with gateway_for(
        emulator,
        busy.upstream,
        max_calls_per_caller=1,
        max_queued_calls=0,
        max_streams_per_caller=1,
    ) as running:
        first = asyncio.ensure_future(send(running, CreateRoomRequest()))
        await until(lambda: busy.requests() == 1)
        failed = await failure_of(running.rooms.GetRoom(ROOM))
        assert (failed.code, failed.reason) == OVERLOADED
        assert failed.message == "the caller is at its limit of 1 concurrent calls"
        busy.release.set()
        await first


@pytest.mark.proves("S13")
async def test_hanging_upstream_does_not_affect_health(
    emulator: Emulator,
) -> None:
    """A thousand calls to an upstream that hangs leave health available and no tasks behind."""
    emulator.faults.add(Fault(latency=60, count=100))
    async with (
        gateway_for(
            emulator, max_concurrent_calls=20, max_queued_calls=80, attempt_timeout=60
        ) as running,
        AsyncExitStack() as clients,
    ):
        before = asyncio.all_tasks()
        calls = []
        # As many calls of each client as a connection allows.
        for _ in range(10):
            channel = await clients.enter_async_context(
                grpc.aio.insecure_channel(
                    running.gateway.addresses[0], [("grpc.use_local_subchannel_pool", 1)]
                )
            )
            rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            calls += [rooms.GetRoom(ROOM) for _ in range(100)]
        codes = [asyncio.ensure_future(call.code()) for call in calls]
        async with asyncio.timeout(30):
            await until(lambda: running.requests() == 20)
            assert await status_of(running.channel) == SERVING
            rejections = set()
            for next_done in asyncio.as_completed(codes):
                rejections.add(await next_done)
                if sum(each.done() for each in codes) == 900:
                    break
            assert rejections == {grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert await status_of(running.channel) == SERVING
        # Rejected calls leave nothing behind.
        await until(lambda: handlers(asyncio.all_tasks() - before) == 100)
        assert running.requests() == 20
        for call in calls:
            call.cancel()
        await until(lambda: handlers(asyncio.all_tasks() - before) == 0)
        emulator.faults.clear()
        assert await running.rooms.GetRoom(ROOM).code() is grpc.StatusCode.NOT_FOUND


def handlers(tasks: set[asyncio.Task[object]]) -> int:
    """Count the tasks of handlers that grpc runs."""
    return sum(getattr(task.get_coro(), "__name__", "") in HANDLERS for task in tasks)


@pytest.mark.proves("S11")
@pytest.mark.parametrize("compression", grpc.Compression)
async def test_request_above_1_mib_is_rejected(
    running: Running, compression: grpc.Compression
) -> None:
    """The limit applies to the decompressed size."""
    large = GetRoomRequest(room_id="x" * (1 << 20))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.GetRoom(large, compression=compression)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in (raised.value.details() or "")
    assert running.requests() == 0
