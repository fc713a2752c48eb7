"""Pacing of a real gateway by the quotas of the emulator."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from support.collectors import scrape
from support.every_operation import entries
from support.gateways import (
    UNKNOWN_ROOM,
    Running,
    failure_of,
    gateway_for,
    pushback,
)
from support.samples import THROTTLED

from rooms_emulator import Emulator
from rooms_gateway.upstream.transport.messages import OperationFamily
from rooms_gateway.upstream.transport.pacing.family_rate import FamilyRate

CREATE = CreateRoomRequest()


async def create(running: Running, count: int, **arguments: Any) -> list[grpc.StatusCode]:
    """Create rooms at once, and return the codes."""
    calls = [running.rooms.CreateRoom(CREATE, **arguments) for _ in range(count)]
    return list(await asyncio.gather(*(call.code() for call in calls)))


async def test_calls_above_a_quota_succeed_later() -> None:
    """Twice the quota of a second: none fails, and the attempts are not limited."""
    async with (
        Emulator(quotas=["CreateRoom=40/1s"]) as emulator,
        gateway_for(emulator, max_attempts=1) as running,
    ):
        assert set(await create(running, 100)) == {grpc.StatusCode.OK}
        accepted = [each for each in entries(emulator, "CreateRoom") if each.status == 201]
        assert len(accepted) == 100


async def test_two_gateways_share_a_quota() -> None:
    """Without knowing of each other; neither starves."""
    async with (
        Emulator(quotas=["CreateRoom=40/1s"]) as emulator,
        gateway_for(emulator) as one,
        gateway_for(emulator) as other,
    ):
        codes = await asyncio.gather(create(one, 60), create(other, 60))
        assert {code for each in codes for code in each} == {grpc.StatusCode.OK}


async def test_a_family_pauses_and_the_others_go_on() -> None:
    """A call that cannot be sent in time is rejected at once, without a request."""
    async with (
        Emulator(quotas=["CreateRoom=1/10m,window"]) as emulator,
        gateway_for(emulator, admin_listen="127.0.0.1:0") as running,
    ):
        assert await create(running, 1) == [grpc.StatusCode.OK]
        first = await failure_of(running.rooms.CreateRoom(CREATE, timeout=20))
        assert (first.code, first.reason) == THROTTLED
        assert first.metadata["httpStatus"] == "429"
        sent = len(emulator.journal)
        started = time.monotonic()
        second = await failure_of(running.rooms.CreateRoom(CREATE, timeout=20))
        # Far less than the time that the pause or the deadline would take.
        assert time.monotonic() - started < 10
        assert (second.code, second.reason) == THROTTLED
        assert second.metadata["attempts"] == "0"
        assert "retry in" in second.message
        retry = second.detail(RetryInfo)
        assert retry is not None
        assert 20 <= retry.retry_delay.seconds <= 30
        assert len(emulator.journal) == sent
        reads = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
        assert reads.code is grpc.StatusCode.NOT_FOUND
        seen = await scrape(running.gateway.admin_address)
    assert seen.value("rooms_gateway_pacer_rejected_calls_total", family="room-writes") == 1
    assert seen.value("rooms_gateway_pacer_rejected_calls_total", family="reads") == 0
    assert seen.value("rooms_gateway_pacer_paused_seconds_total", family="room-writes") > 0


async def test_pushback_is_the_wait_if_it_fits() -> None:
    """Else a client would wait until its deadline to fail."""
    async with (
        Emulator(quotas=["CreateRoom=1/10m,window"]) as emulator,
        gateway_for(emulator, max_pacing_wait=5) as running,
    ):
        await create(running, 2, timeout=20)
        seen = []
        for timeout in (20, 300):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await running.rooms.CreateRoom(CREATE, timeout=timeout)
            seen.append(pushback(raised.value))
    assert seen[0] == "-1"
    assert 20_000 <= int(seen[1] or 0) <= 30_000


async def test_an_unknown_priority_is_invalid(emulator: Emulator) -> None:
    async with gateway_for(emulator) as running:
        for priority in ("bulk", "interactive"):
            await running.rooms.CreateRoom(CREATE, metadata=[("rooms-priority", priority)])
        for priority in ("Bulk", "", "high"):
            call = running.rooms.CreateRoom(CREATE, metadata=[("rooms-priority", priority)])
            failed = await failure_of(call)
            assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
            assert failed.detail(BadRequest) is not None
            assert "rooms-priority must be interactive or bulk" in failed.message


async def test_a_ceiling_applies_from_the_start(emulator: Emulator) -> None:
    """Requests wait although the service would accept them."""
    async with gateway_for(
        emulator,
        admin_listen="127.0.0.1:0",
        upstream_rate=(FamilyRate(OperationFamily.ROOM_WRITES, 20.0),),
    ) as running:
        started = time.monotonic()
        assert set(await create(running, 30)) == {grpc.StatusCode.OK}
        assert time.monotonic() - started > 1
        seen = await scrape(running.gateway.admin_address)
    assert seen.value("rooms_gateway_pacer_rate", family="room-writes") == 20
    assert seen.value("rooms_gateway_pacer_rate", family="reads") == float("inf")
    assert seen.value("rooms_gateway_pacer_wait_seconds_count", family="room-writes") >= 25
