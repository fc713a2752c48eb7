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
async def test_a_clock_that_is_off_costs_one_more_request_once(
    emulator: Emulator, quick: Quick, skew: float
) -> None:
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(skew)
    for _ in range(3):
        await get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 200, 200]
    assert quick.slept == []


async def test_a_clock_that_is_put_right_later_is_followed(
    emulator: Emulator, quick: Quick
) -> None:
    [room] = emulator.store.seed(1)
    for offset in (600, 0):
        emulator.clock.set_offset(offset)
        await get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 401, 200]


async def test_calls_at_the_same_time_all_get_over_a_clock_that_is_off(
    emulator: Emulator, quick: Quick
) -> None:
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(600)
    answers = await asyncio.gather(*(get(quick, room) for _ in range(20)))
    assert {answer.room.id for answer in answers} == {room}
    assert len(emulator.journal) <= 40


async def test_a_create_through_a_clock_that_is_off_makes_one_room(
    emulator: Emulator, quick: Quick
) -> None:
    emulator.clock.set_offset(600)
    await create(quick, "")
    assert rooms_in(emulator) == 1


async def test_a_wrong_key_is_the_gateways_fault_and_is_not_tried_again(
    emulator: Emulator,
) -> None:
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"wrong")
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(get(quick, UNKNOWN_ROOM))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "1"
    assert failed.detail(RetryInfo) is None
    assert len(emulator.journal) == 1


async def test_a_wrong_key_and_a_clock_that_is_off_cost_two_requests_at_most(
    emulator: Emulator,
) -> None:
    emulator.clock.set_offset(600)
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"wrong")
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(get(quick, UNKNOWN_ROOM))
    assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
    assert len(emulator.journal) == 2


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
async def test_an_absurd_date_of_the_service_is_no_clock_to_go_by(date: str) -> None:
    async with (
        scripted(
            answer(b"", "401 Unauthorized", f"Date: {date}"), answer(b'{"id":"1"}')
        ) as service,
        quick_gateway(service.upstream) as quick,
    ):
        failed = await failure_of(get(quick, "1"))
        assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
        await get(quick, "1")
        years = [request.partition(b"x-ms-date: ")[2][12:16] for request in service.requests]
        assert years == [formatdate(usegmt=True)[12:16].encode()] * 2
