"""Deadlines and timeouts of calls: where they come from, and no request after them."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from google.rpc.error_details_pb2 import RequestInfo
from grpc import StatusCode
from support.fast_gateway import quick_gateway
from support.gateways import (
    UNKNOWN_ROOM,
    Running,
    collect,
    failure_of,
    gateway_for,
    send,
    until,
    upstream_of,
)
from support.upstreams import answer, scripted, silence

from rooms_emulator import Emulator, Fault

ROOM = GetRoomRequest(room_id="1")


async def test_caller_deadline_ends_the_request() -> None:
    """No retry follows."""
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await quick.rooms.GetRoom(ROOM, timeout=0.5)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: service.closed_by_client == 1)
        assert len(service.requests) == 1
        assert quick.slept == []


async def test_caller_deadline_ends_a_list() -> None:
    page = b'{"value":[{"id":"1"}],"nextLink":"/rooms?nextLink=2&api-version=2025-03-13"}'
    async with scripted(answer(page), silence) as service, quick_gateway(service.upstream) as quick:
        pages = aiter(quick.rooms.ListRooms(ListRoomsRequest(), timeout=1.5))
        assert [room.id for room in (await anext(pages)).rooms] == ["1"]
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(pages)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: service.closed_by_client == 1)
        assert len(service.requests) == 2


async def test_expired_deadline_is_logged_as_such(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The code is not CANCELLED, although grpc cancels the handler."""
    caplog.set_level("INFO", "rooms_gateway.calls")
    async with scripted(silence) as service, quick_gateway(service.upstream) as quick:
        with pytest.raises(grpc.aio.AioRpcError):
            await quick.rooms.GetRoom(ROOM, timeout=0.5)
        await until(lambda: "code=" in caplog.text)
    assert "code=DEADLINE_EXCEEDED" in caplog.text


async def test_default_timeout_ends_a_call_with_details() -> None:
    async with (
        scripted(silence) as service,
        quick_gateway(service.upstream, default_timeout=0.5) as quick,
    ):
        # Longer than the default timeout and shorter than the attempt timeout.
        async with asyncio.timeout(20):
            failed = await failure_of(quick.rooms.GetRoom(ROOM))
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "ERROR_REASON_DEADLINE_EXCEEDED",
        )
        assert failed.metadata["attempts"] == "1"
        assert failed.detail(RequestInfo) is not None
        await until(lambda: service.closed_by_client == 1)
        assert len(service.requests) == 1


async def test_caller_deadline_may_exceed_the_default(
    emulator: Emulator,
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(latency=0.3))
    async with quick_gateway(upstream_of(emulator), default_timeout=0.05) as quick:
        await quick.rooms.GetRoom(GetRoomRequest(room_id=room), timeout=60)


async def test_default_timeout_does_not_apply_to_lists(emulator: Emulator) -> None:
    emulator.store.seed(1)
    emulator.faults.add(Fault(latency=0.3))
    async with quick_gateway(upstream_of(emulator), default_timeout=0.05) as quick:
        pages = await collect(quick.rooms.ListRooms(ListRoomsRequest()))
    assert sum(len(page.rooms) for page in pages) == 1


async def test_attempt_timeout_leads_to_a_retry() -> None:
    async with (
        scripted(silence, answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream, attempt_timeout=0.5) as quick,
    ):
        assert (await quick.rooms.GetRoom(ROOM, timeout=60)).room.id == "1"
        assert (len(service.requests), service.closed_by_client) == (2, 1)


async def test_timed_out_create_makes_one_room(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", latency=3))
    async with quick_gateway(upstream_of(emulator), attempt_timeout=2) as quick:
        created = (await quick.rooms.CreateRoom(CreateRoomRequest())).room
        # The upstream continues the first attempt after the gateway has closed the connection.
        await until(lambda: all(entry.status for entry in emulator.journal))
    assert [room.id for room in emulator.store.rooms_page().items] == [created.id]
    assert len(emulator.journal) == 2


async def test_deadline_of_a_call_ends_no_other_call(running: Running) -> None:
    [room] = running.emulator.store.seed(1)
    running.emulator.faults.add(Fault(latency=30))
    short = asyncio.ensure_future(
        running.rooms.GetRoom(GetRoomRequest(room_id=room), timeout=1).code()
    )
    await until(lambda: running.requests() == 1)
    others = [running.rooms.GetRoom(GetRoomRequest(room_id=room), timeout=60) for _ in range(5)]
    assert {(await call).room.id for call in others} == {room}
    assert await short is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_default_timeout_has_reason_and_attempts(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=30))
    async with gateway_for(emulator, default_timeout=0.5) as running:
        failed = await failure_of(send(running, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == (
        StatusCode.DEADLINE_EXCEEDED,
        "ERROR_REASON_DEADLINE_EXCEEDED",
    )
    assert failed.metadata["attempts"] == "1"
