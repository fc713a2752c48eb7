"""Clock skew and wrong keys: recovery and the number of requests."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from support.every_operation import create, get, rooms_in
from support.fast_gateway import Quick, quick_gateway
from support.gateways import UNKNOWN_ROOM, failure_of, upstream_of
from support.upstreams import answer, scripted

from rooms_emulator import Emulator
from rooms_gateway.settings import Upstream


@pytest.mark.proves("S53")
@pytest.mark.parametrize("skew", [600, -600])
async def test_clock_skew_costs_one_request_once(
    emulator: Emulator, quick: Quick, skew: float
) -> None:
    """Later requests are signed with the corrected clock."""
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(skew)
    for _ in range(3):
        await get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 200, 200]
    assert quick.slept == []


async def test_corrected_clock_skew_is_followed(emulator: Emulator, quick: Quick) -> None:
    [room] = emulator.store.seed(1)
    for offset in (600, 0):
        emulator.clock.set_offset(offset)
        await get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 401, 200]


async def test_clock_skew_fails_no_concurrent_call(emulator: Emulator, quick: Quick) -> None:
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(600)
    responses = await asyncio.gather(*(get(quick, room) for _ in range(20)))
    assert {response.room.id for response in responses} == {room}
    assert len(emulator.journal) <= 40


async def test_clock_skew_creates_one_room(emulator: Emulator, quick: Quick) -> None:
    emulator.clock.set_offset(600)
    await create(quick, "")
    assert rooms_in(emulator) == 1


async def test_a_wrong_key_is_not_retried(
    emulator: Emulator,
) -> None:
    """The error names the gateway's credential, not the caller's."""
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"wrong")
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(get(quick, UNKNOWN_ROOM))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "1"
    assert failed.detail(RetryInfo) is None
    assert len(emulator.journal) == 1


async def test_a_wrong_key_and_skew_cost_two_requests(
    emulator: Emulator,
) -> None:
    emulator.clock.set_offset(600)
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"wrong")
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(get(quick, UNKNOWN_ROOM))
    assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
    assert len(emulator.journal) == 2


DENIED = b'{"error":{"code":"Denied","message":"Denied by the resource provider."}}'


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0500 00:00:00 GMT",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "now",
    ],
)
async def test_an_absurd_date_does_not_set_the_clock(date: str) -> None:
    async with (
        scripted(
            answer(DENIED, "401 Unauthorized", f"Date: {date}"), answer(b'{"id":"1"}')
        ) as server,
        quick_gateway(server.upstream) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
        assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
        await get(quick, "1")
        years = [request.partition(b"x-ms-date: ")[2][12:16] for request in server.requests]
        assert years == [formatdate(usegmt=True)[12:16].encode()] * 2
