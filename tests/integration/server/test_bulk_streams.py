"""Bulk streams: clients of every kind, the deadline, the drain, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import error_reason_pb2
from acs.rooms.v1.bulk_rooms_pb2 import BulkCreateRoomsRequest, BulkCreateRoomsResponse
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.rpc.error_details_pb2 import RetryInfo
from support.bulk import by_key, creates
from support.collectors import scrape
from support.gateways import (
    LONG_GRACE,
    Running,
    collect,
    failure_of,
    gateway_for,
    until,
)
from support.http2 import DATA, WINDOW_OF_0, frame, message, unary_call
from support.upstreams import scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.services.bulk import ITEMS_PER_STREAM

CREATE = "/acs.rooms.v1.RoomsService/BulkCreateRooms"
STALL_TIMEOUT = 0.3


@asynccontextmanager
async def open_slot(running: Running) -> AsyncIterator[None]:
    """Wait, at the end, until the only stream slot is free again."""
    yield
    async with asyncio.timeout(30):
        while True:
            with suppress(grpc.aio.AioRpcError):
                await collect(running.rooms.BulkCreateRooms(iter(creates("z"))))
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def limited(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway with one stream slot and a short stall timeout."""
    async with gateway_for(emulator, max_streams=1, write_stall_timeout=STALL_TIMEOUT) as running:
        yield running


@pytest.mark.proves("S14")
async def test_a_client_that_reads_nothing_is_stalled(
    limited: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway reads no further than its bound, and then ends the stream."""
    caplog.set_level("INFO")
    _, port = limited.gateway.addresses[0].split(":")
    async with open_slot(limited):
        _, writer = await asyncio.open_connection("127.0.0.1", int(port))
        first, *others = creates(range(300))
        # The last frame of a unary call is its message, with the end of the stream.
        start = unary_call(CREATE, first, settings=WINDOW_OF_0)
        end = frame(DATA, 1, 1, message(first.SerializeToString()))
        writer.write(start.removesuffix(end))
        for item in (first, *others):
            writer.write(frame(DATA, 0, 1, message(item.SerializeToString())))
        await until(lambda: "ERROR_REASON_STREAM_STALLED" in caplog.text)
        assert "code=ABORTED" in caplog.text
        assert limited.requests() <= ITEMS_PER_STREAM
        writer.close()
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.proves("S14")
async def test_a_client_that_sends_nothing_is_stalled(limited: Running) -> None:
    async with open_slot(limited):
        call: Any = limited.rooms.BulkCreateRooms()
        failed = await failure_of(call.read)
        assert failed.code is grpc.StatusCode.ABORTED
        assert failed.reason == "ERROR_REASON_STREAM_STALLED"
        assert failed.message.startswith("the client has sent nothing for 0.3 s")


async def test_a_client_that_waits_for_results_is_not(limited: Running) -> None:
    """It sends its next item after the result of the last, for longer than the stall timeout."""
    limited.emulator.faults.add(Fault(latency=2.5 * STALL_TIMEOUT, count=None))
    call: Any = limited.rooms.BulkCreateRooms()
    for item in creates("ab"):
        await call.write(item)
        assert (await call.read()).response.room.id
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_client_that_closes_at_once_gets_no_result(running: Running) -> None:
    assert await collect(running.rooms.BulkCreateRooms(iter(()))) == []
    assert await collect(running.rooms.BulkDeleteRooms(iter(()))) == []


async def test_items_before_the_end_are_answered(running: Running) -> None:
    """A client that has closed its side gets every result."""
    running.emulator.faults.add(Fault(latency=0.3, count=None))
    call: Any = running.rooms.BulkCreateRooms()
    for item in creates(range(50)):
        await call.write(item)
    await call.done_writing()
    assert len(await by_key(call)) == 50


async def test_a_cancelled_stream_ends_its_requests(caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    async with (
        scripted(silence) as service,
        Emulator() as emulator,
        gateway_for(emulator, service.upstream, max_streams=1) as running,
    ):
        call: Any = running.rooms.BulkCreateRooms(iter(creates(range(100))))
        await until(lambda: len(service.requests) == ITEMS_PER_STREAM)
        call.cancel()
        await until(lambda: service.closed_by_client == ITEMS_PER_STREAM)
        refused = running.rooms.BulkCreateRooms(iter(creates("a")), timeout=0.5)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await collect(refused)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: asyncio.all_tasks() == before)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_deadline_ends_a_stream_and_its_requests() -> None:
    async with (
        scripted(silence) as service,
        Emulator() as emulator,
        gateway_for(emulator, service.upstream) as running,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await collect(running.rooms.BulkCreateRooms(iter(creates(range(100))), timeout=1))
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: service.closed_by_client == len(service.requests))


async def test_a_stream_without_deadline_has_no_timeout(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=0.5))
    async with gateway_for(emulator, default_timeout=0.1) as running:
        [result] = await collect(running.rooms.BulkCreateRooms(iter(creates("a"))))
        assert result.HasField("response")


async def test_thousands_of_items_are_answered_once(running: Running) -> None:
    results = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(3000)))))
    rooms = {result.response.room.id for result in results.values()}
    assert (len(results), len(rooms), len(running.emulator.store)) == (3000, 3000, 3000)


async def test_malformed_bytes_end_the_stream(running: Running) -> None:
    """The items before them are answered first."""
    running.emulator.faults.add(Fault(latency=0.3, count=None))
    channel: Any = running.channel
    call = channel.stream_stream(CREATE, response_deserializer=BulkCreateRoomsResponse.FromString)(
        iter([*(item.SerializeToString() for item in creates("ab")), b"\xff", b""])
    )
    assert {(await call.read()).key for _ in "ab"} == {"a", "b"}
    failed = await failure_of(call.read)
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.reason == "ERROR_REASON_REQUEST_INVALID"
    assert failed.metadata["attempts"] == "2"


async def test_an_item_above_the_limit_ends_the_stream(running: Running) -> None:
    """It is rejected by grpc, before the gateway reads it."""
    item = BulkCreateRoomsRequest(key="x" * 500_000, request=CreateRoomRequest())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await collect(running.rooms.BulkCreateRooms(iter([item])))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_drain_ends_a_stream_after_its_items(emulator: Emulator) -> None:
    """The status asks to send the rest again; every item that reached the service is answered."""
    emulator.faults.add(Fault(latency=0.3, count=None))
    results: list[BulkCreateRoomsResponse] = []
    async with gateway_for(emulator, drain_grace=LONG_GRACE) as running:
        call: Any = running.rooms.BulkCreateRooms(iter(creates(range(1000))))

        async def read() -> None:
            while (result := await call.read()) is not grpc.aio.EOF:
                results.append(result)

        reading = asyncio.ensure_future(read())
        await until(lambda: len(results) >= ITEMS_PER_STREAM)
        async with asyncio.timeout(LONG_GRACE / 2):
            await running.gateway.__aexit__(None, None, None)
        failed = await failure_of(reading)
        assert running.gateway.stopped_cleanly
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "ERROR_REASON_GATEWAY_SHUTTING_DOWN",
    )
    assert failed.detail(RetryInfo) is not None
    assert "send the items without a result again" in failed.message
    assert len(results) < 1000
    assert len(emulator.store) == len(results) == running.requests()


async def test_a_drain_ends_an_idle_stream(emulator: Emulator) -> None:
    async with gateway_for(emulator, drain_grace=LONG_GRACE) as running:
        call: Any = running.rooms.BulkCreateRooms()
        await call.write(creates("a")[0])
        assert (await call.read()).key == "a"
        async with asyncio.timeout(LONG_GRACE / 2):
            await running.gateway.__aexit__(None, None, None)
        failed = await failure_of(call.read)
        assert failed.reason == "ERROR_REASON_GATEWAY_SHUTTING_DOWN"


async def test_streams_above_the_limit_are_rejected(limited: Running) -> None:
    call: Any = limited.rooms.BulkCreateRooms()
    await call.write(creates("a")[0])
    assert (await call.read()).key == "a"
    failed = await failure_of(collect(limited.rooms.BulkCreateRooms(iter(creates("b")))))
    assert failed.reason == "ERROR_REASON_GATEWAY_OVERLOADED"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_an_unknown_priority_is_rejected(running: Running) -> None:
    call = running.rooms.BulkCreateRooms(
        iter(creates("a")), metadata=[("rooms-priority", "highest")]
    )
    assert (await failure_of(collect(call))).code is grpc.StatusCode.INVALID_ARGUMENT
    assert running.requests() == 0


async def test_results_are_counted_as_messages(emulator: Emulator) -> None:
    async with gateway_for(emulator, admin_listen="127.0.0.1:0") as running:
        await collect(running.rooms.BulkCreateRooms(iter(creates(range(7)))))
        seen = await scrape(running.gateway.admin_address)
    labels = {
        "grpc_type": "bidi_stream",
        "grpc_service": "acs.rooms.v1.RoomsService",
        "grpc_method": "BulkCreateRooms",
    }
    assert seen.value("grpc_server_msg_sent_total", **labels) == 7
    assert seen.value("grpc_server_handled_total", grpc_code="OK", **labels) == 1


async def test_an_item_waits_for_its_turn_beyond_the_limit_of_calls() -> None:
    """--max-pacing-wait rejects a unary call; an item waits up to the deadline of its stream."""
    async with (
        Emulator(quotas=["CreateRoom=5/1s,window"]) as emulator,
        gateway_for(emulator, max_pacing_wait=0) as running,
    ):
        results = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(20)))))
        assert all(result.HasField("response") for result in results.values())
        assert any(entry.status == 429 for entry in emulator.journal)


async def test_an_item_that_cannot_be_sent_in_time_is_throttled() -> None:
    """Its error has the wait, and the stream goes on."""
    async with (
        Emulator(quotas=["CreateRoom=1/10m,window"]) as emulator,
        gateway_for(emulator) as running,
    ):
        call: Any = running.rooms.BulkCreateRooms(iter(creates("ab")), timeout=20)
        results = await by_key(call)
        assert await call.code() is grpc.StatusCode.OK
    [error] = [result.error for result in results.values() if result.HasField("error")]
    assert error.reason == error_reason_pb2.ERROR_REASON_THROTTLED
    assert error.retry_delay.seconds >= 20
