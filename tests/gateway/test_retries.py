"""What the gateway does when the service fails: try again, or not, and what the caller sees."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import aiohttp
import grpc
import pytest
from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.descriptor_pb2 import MethodOptions
from google.rpc.error_details_pb2 import RequestInfo, RetryInfo
from hypothesis import given
from hypothesis import strategies as st
from quick import Quick, longest, quick_gateway
from running import collect, failure_of, upstream_of, user
from scripted import Script, Scripted, answer, hang_up, raw, scripted, silence

from gateway.app import MAX_ANSWER_BYTES, SERVICES
from gateway.call import Call
from gateway.credentials import make_credential
from gateway.emulator import Emulator, Fault
from gateway.settings import Upstream
from gateway.transport import RestRequest, RetryBudget, RetryPolicy, Transport
from gateway.transport.http import HttpClient
from gateway.transport.retry import http_date, retry_after

GetRoomRequest = rooms_pb2.GetRoomRequest


@pytest.fixture
async def quick(emulator: Emulator) -> AsyncIterator[Quick]:
    async with quick_gateway(upstream_of(emulator)) as quick:
        yield quick


# --- every kind of call, every kind of fault ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """A call on a room that exists, and a look into the store that says whether it worked."""

    name: str
    """The emulator's."""
    call: Callable[[Quick, str], Awaitable[Any]]
    worked: Callable[[Any, Emulator, str], bool]


async def _get(quick: Quick, room: str) -> Any:
    return await quick.rooms.GetRoom(GetRoomRequest(room_id=room))


async def _update(quick: Quick, room: str) -> Any:
    request = rooms_pb2.UpdateRoomRequest(room_id=room, pstn_dial_out_enabled=True)
    return await quick.rooms.UpdateRoom(request)


async def _upsert(quick: Quick, room: str) -> Any:
    people = [participants_pb2.Participant(raw_id=user(1))]
    request = participants_pb2.UpsertParticipantsRequest(room_id=room, participants=people)
    return await quick.participants.UpsertParticipants(request)


async def _delete(quick: Quick, room: str) -> Any:
    return await quick.rooms.DeleteRoom(rooms_pb2.DeleteRoomRequest(room_id=room))


async def _create(quick: Quick, _: str) -> Any:
    return await quick.rooms.CreateRoom(rooms_pb2.CreateRoomRequest())


async def _list(quick: Quick, _: str) -> Any:
    return await collect(quick.rooms.ListRooms(rooms_pb2.ListRoomsRequest()))


OPERATIONS = [
    Operation("GetRoom", _get, lambda answer, _, room: answer.room.id == room),
    Operation(
        "UpdateRoom",
        _update,
        lambda answer, emulator, room: (
            answer.room.pstn_dial_out_enabled and emulator.store.get(room).pstn_dial_out_enabled
        ),
    ),
    Operation(
        "UpdateParticipants",
        _upsert,
        lambda _, emulator, room: len(emulator.store.participants_page(room).items) == 1,
    ),
    Operation("DeleteRoom", _delete, lambda _, emulator, __: rooms_in(emulator) == 0),
    Operation(
        "CreateRoom",
        _create,
        lambda answer, emulator, _: (
            rooms_in(emulator) == 2 and emulator.store.get(answer.room.id).id == answer.room.id
        ),
    ),
    Operation("ListRooms", _list, lambda pages, _, room: [r.id for r in pages[0].rooms] == [room]),
]

FAULTS: dict[str, dict[str, Any]] = {
    "dropped before the effect": {"drop": "before"},
    "dropped after the effect": {"drop": "after"},
    "408": {"status": 408},
    "429": {"status": 429},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "7"}},
    "500": {"status": 500},
    "502": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "503": {"status": 503},
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "7"}},
    "504": {"status": 504, "body": ""},
    "truncated body": {"truncate": 1},
}

by_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


def rooms_in(emulator: Emulator) -> int:
    return len(emulator.store.rooms_page().items)


def entries(emulator: Emulator, operation: str) -> list[Any]:
    return [entry for entry in emulator.journal if entry.operation == operation]


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(operation, fault, id=f"{operation.name}-{fault}")
        for operation in OPERATIONS
        for fault in FAULTS
        # The answer to a delete has no body that could be cut off.
        if (operation.name, fault) != ("DeleteRoom", "truncated body")
    ],
)
async def test_a_call_that_failed_once_is_repeated_once_and_has_its_effect_once(
    emulator: Emulator, quick: Quick, operation: Operation, fault: str
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, **FAULTS[fault]))
    answer = await operation.call(quick, room)
    assert operation.worked(answer, emulator, room)
    assert len(entries(emulator, operation.name)) == 2
    assert quick.slept == [7.1 if "Retry-After" in fault else 0.1]


@by_operation
@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 415])
async def test_a_refusal_is_not_repeated(
    emulator: Emulator, quick: Quick, operation: Operation, status: int
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, status=status, count=None))
    failed = await failure_of(operation.call(quick, room))
    assert failed.metadata["httpStatus"] == str(status)
    assert failed.metadata["attempts"] == "1"
    assert len(entries(emulator, operation.name)) == 1


@by_operation
async def test_a_service_that_stays_down_costs_a_call_four_requests_with_growing_waits(
    emulator: Emulator, quick: Quick, operation: Operation
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation=operation.name, status=503, count=None))
    failed = await failure_of(operation.call(quick, room))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert failed.metadata["attempts"] == "4"
    assert len(entries(emulator, operation.name)) == 4
    assert quick.slept == [0.1, 0.2, 0.4]


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_create_has_one_repeatability_id_and_makes_one_room_over_all_attempts(
    emulator: Emulator, quick: Quick, drop: Any
) -> None:
    request_id = "6b0a9d5e-7a1c-4c4e-9d35-0d6f0a1f2b3c"
    emulator.faults.add(Fault(operation="CreateRoom", drop=drop, count=3))
    created = await quick.rooms.CreateRoom(rooms_pb2.CreateRoomRequest(request_id=request_id))
    sent = [
        (entry.headers["Repeatability-Request-ID"], entry.headers["Repeatability-First-Sent"])
        for entry in entries(emulator, "CreateRoom")
    ]
    assert len(sent) == 4
    assert len(set(sent)) == 1
    assert sent[0][0] == request_id
    assert [room.id for room in emulator.store.rooms_page().items] == [created.room.id]


async def test_creates_without_a_request_id_get_one_each(emulator: Emulator, quick: Quick) -> None:
    for _ in range(3):
        await _create(quick, "")
    ids = {entry.headers["Repeatability-Request-ID"] for entry in entries(emulator, "CreateRoom")}
    assert len(ids) == 3
    assert rooms_in(emulator) == 3


async def test_a_list_repeats_the_page_that_failed_and_no_other(
    emulator: Emulator, quick: Quick
) -> None:
    ids = emulator.store.seed(70)
    emulator.faults.add(Fault(operation="ListRooms", skip=1, status=503))
    pages = await _list(quick, "")
    assert [room.id for page in pages for room in page.rooms] == ids[::-1]
    assert len(entries(emulator, "ListRooms")) == len(pages) + 1


# --- a delete whose first attempt may have worked -------------------------------------------------


async def test_a_delete_whose_answer_was_lost_and_whose_repeat_finds_nothing_succeeded(
    emulator: Emulator, quick: Quick
) -> None:
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(operation="DeleteRoom", drop="after"))
    await _delete(quick, room)
    assert [entry.status for entry in entries(emulator, "DeleteRoom")] == [None, 404]


async def test_a_delete_of_what_was_never_there_is_not_found(
    emulator: Emulator, quick: Quick
) -> None:
    failed = await failure_of(_delete(quick, "99400000000000000"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    assert len(entries(emulator, "DeleteRoom")) == 1


async def test_a_delete_that_was_only_throttled_before_is_not_found_if_nothing_is_there(
    emulator: Emulator, quick: Quick
) -> None:
    emulator.faults.add(Fault(operation="DeleteRoom", status=429))
    failed = await failure_of(_delete(quick, "99400000000000000"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    assert failed.metadata["attempts"] == "2"


async def test_only_a_delete_takes_not_found_after_a_lost_answer_for_success(
    emulator: Emulator, quick: Quick
) -> None:
    emulator.faults.add(Fault(drop="after"))
    failed = await failure_of(_update(quick, "99400000000000000"))
    assert failed.code is grpc.StatusCode.NOT_FOUND


# --- Retry-After ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (429, grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED"),
        (503, grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_a_retry_after_beyond_the_cap_ends_the_call_at_once_and_is_told_on(
    emulator: Emulator, quick: Quick, status: int, code: grpc.StatusCode, reason: str
) -> None:
    emulator.faults.add(Fault(status=status, headers={"Retry-After": "3600"}, count=None))
    failed = await failure_of(_get(quick, "99400000000000000"))
    assert (failed.code, failed.reason) == (code, reason)
    assert _told(failed.detail(RetryInfo)) == 3600
    assert len(emulator.journal) == 1
    assert quick.slept == []


async def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(
    emulator: Emulator, quick: Quick
) -> None:
    emulator.faults.add(Fault(status=429, headers={"Retry-After": "29"}, count=None))
    request = GetRoomRequest(room_id="99400000000000000")
    failed = await failure_of(quick.rooms.GetRoom(request, timeout=20))
    assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
    assert _told(failed.detail(RetryInfo)) == 29
    assert len(emulator.journal) == 1


async def test_a_retry_after_may_be_a_date_by_the_clock_of_the_gateway(emulator: Emulator) -> None:
    now = float(int(time.time()))
    emulator.faults.add(
        Fault(status=429, headers={"Retry-After": formatdate(now + 9, usegmt=True)})
    )
    [room] = emulator.store.seed(1)
    async with quick_gateway(upstream_of(emulator), clock=lambda: now) as quick:
        await _get(quick, room)
        assert quick.slept == [9.1]


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "", "²", "Mon, 99 Foo 2026"])
async def test_a_retry_after_that_cannot_be_read_is_as_good_as_none(text: str) -> None:
    throttled = raw(
        b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: %b\r\n\r\n" % text.encode()
    )
    async with (
        scripted(throttled, answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        await _get(quick, "1")
        assert quick.slept == [0.1]


@pytest.mark.parametrize("digits", [9, 20, 400])
async def test_a_retry_after_of_any_number_of_digits_is_a_typed_failure(digits: int) -> None:
    throttled = answer(b"", "429 Slow", f"Retry-After: {'9' * digits}")
    async with scripted(throttled) as service, quick_gateway(service.upstream) as quick:
        failed = await failure_of(_get(quick, "1"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
    assert _told(failed.detail(RetryInfo)) == min(10**digits - 1, 315_576_000_000)


def _told(info: RetryInfo | None) -> float:
    assert info is not None
    return info.retry_delay.ToMilliseconds() / 1000


# --- the budget -----------------------------------------------------------------------------------


def test_over_500_calls_a_full_outage_costs_at_most_one_and_a_fifth_requests_a_call() -> None:
    budget, requests = RetryBudget(), 0
    for _ in range(500):
        budget.deposit()
        requests += 1
        while budget.withdraw():
            requests += 1
    assert requests <= 1.2 * 500


@given(
    ratio=st.floats(0, 1),
    reserve=st.floats(0, 100),
    wanted=st.lists(st.integers(0, 5), max_size=300),
)
def test_a_budget_never_grants_more_than_its_reserve_and_its_share_of_the_calls(
    ratio: float, reserve: float, wanted: list[int]
) -> None:
    budget = RetryBudget(ratio, reserve)
    granted = 0
    for retries in wanted:
        budget.deposit()
        granted += sum(budget.withdraw() for _ in range(retries))
    assert granted <= reserve + ratio * len(wanted) + 1e-6


async def test_in_an_outage_the_budget_ends_the_retries_of_the_calls_through_a_channel(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    async with quick_gateway(
        upstream_of(emulator), budget=RetryBudget(ratio=0.1, reserve=4)
    ) as quick:
        for _ in range(40):
            failed = await failure_of(_get(quick, "99400000000000000"))
            assert failed.reason == "SERVICE_UNAVAILABLE"
    assert len(emulator.journal) <= 40 * 1.2


async def test_after_an_outage_calls_earn_their_retries_again(emulator: Emulator) -> None:
    [room] = emulator.store.seed(1)
    async with quick_gateway(
        upstream_of(emulator), budget=RetryBudget(ratio=0.5, reserve=1)
    ) as quick:
        emulator.faults.add(Fault(status=503, count=4))
        for _ in range(2):
            await failure_of(_get(quick, room))
        emulator.faults.clear()
        for _ in range(2):
            await _get(quick, room)
        emulator.faults.add(Fault(status=503))
        await _get(quick, room)


# --- each attempt is a request of its own ---------------------------------------------------------


async def test_each_attempt_has_a_date_and_a_signature_of_its_own(emulator: Emulator) -> None:
    emulator.faults.add(Fault(status=503, count=3))
    [room] = emulator.store.seed(1)
    ticks = itertools.count(int(time.time()), 2)
    async with quick_gateway(upstream_of(emulator), clock=lambda: next(ticks)) as quick:
        await _get(quick, room)
    requests = entries(emulator, "GetRoom")
    assert len({entry.headers["x-ms-date"] for entry in requests}) == 4
    assert len({entry.headers["Authorization"] for entry in requests}) == 4


def test_the_switch_for_the_hidden_retry_of_aiohttp_is_where_we_look_for_it() -> None:
    assert "_retry_connection" in aiohttp.ClientSession.ATTRS


@pytest.mark.parametrize("operation", OPERATIONS[:4], ids=lambda each: each.name)
async def test_on_a_connection_that_went_stale_no_request_is_sent_that_we_did_not_count(
    operation: Operation,
) -> None:
    async with (
        scripted(answer(b'{"id":"1"}'), hang_up, answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream, max_attempts=1) as quick,
    ):
        await _get(quick, "1")
        failed = await failure_of(operation.call(quick, "1"))
        assert failed.reason == "SERVICE_UNAVAILABLE"
        assert failed.metadata["attempts"] == "1"
        assert (len(service.requests), service.connections) == (2, 1)


async def test_a_stale_connection_costs_one_attempt_of_ours_and_no_failure() -> None:
    async with (
        scripted(answer(b'{"id":"1"}'), hang_up, answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        await _get(quick, "1")
        await _get(quick, "1")
        assert (len(service.requests), service.connections) == (3, 2)


@pytest.mark.parametrize(("method", "attempts"), [("POST", 1), ("GET", 3)])
async def test_a_call_that_is_not_repeatable_sends_a_change_once_and_may_repeat_a_read(
    emulator: Emulator, method: str, attempts: int
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    upstream = upstream_of(emulator)
    async with HttpClient(
        upstream.endpoint, user_agent="test", max_connections=1, max_answer_bytes=1 << 20
    ) as http:
        transport = Transport(
            http,
            upstream.endpoint,
            make_credential(upstream.credential, upstream.endpoint),
            policy=RetryPolicy(max_attempts=3, base=0.001),
        )
        call = Call("id", time.monotonic() + 60, repeatable=False)
        answered = await transport.send(RestRequest(method, "/rooms?api-version=2025-03-13"), call)
    assert (answered.status, call.attempts, len(emulator.journal)) == (503, attempts, attempts)


def test_every_rpc_of_ours_declares_that_it_is_safe_to_repeat() -> None:
    declared = {
        method.name: MethodOptions.IdempotencyLevel.Name(method.GetOptions().idempotency_level)
        for service in SERVICES
        for method in service.methods
    }
    assert declared == {
        "CreateRoom": "IDEMPOTENT",
        "GetRoom": "NO_SIDE_EFFECTS",
        "UpdateRoom": "IDEMPOTENT",
        "DeleteRoom": "IDEMPOTENT",
        "ListRooms": "NO_SIDE_EFFECTS",
        "UpsertParticipants": "IDEMPOTENT",
        "RemoveParticipants": "IDEMPOTENT",
        "UpdateParticipants": "IDEMPOTENT",
        "ListParticipants": "NO_SIDE_EFFECTS",
    }


# --- clock and key --------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [600, -600])
async def test_a_clock_that_is_off_costs_one_more_request_once(
    emulator: Emulator, quick: Quick, skew: float
) -> None:
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(skew)
    for _ in range(3):
        await _get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 200, 200]
    assert quick.slept == []


async def test_a_clock_that_is_put_right_later_is_followed(
    emulator: Emulator, quick: Quick
) -> None:
    [room] = emulator.store.seed(1)
    for offset in (600, 0):
        emulator.clock.set_offset(offset)
        await _get(quick, room)
    assert [entry.status for entry in emulator.journal] == [401, 200, 401, 200]


async def test_calls_at_the_same_time_all_get_over_a_clock_that_is_off(
    emulator: Emulator, quick: Quick
) -> None:
    [room] = emulator.store.seed(1)
    emulator.clock.set_offset(600)
    answers = await asyncio.gather(*(_get(quick, room) for _ in range(20)))
    assert {answer.room.id for answer in answers} == {room}
    assert len(emulator.journal) <= 40


async def test_a_create_through_a_clock_that_is_off_makes_one_room(
    emulator: Emulator, quick: Quick
) -> None:
    emulator.clock.set_offset(600)
    await _create(quick, "")
    assert rooms_in(emulator) == 1


async def test_a_wrong_key_is_the_gateways_fault_and_is_not_tried_again(
    emulator: Emulator,
) -> None:
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"wrong")
    async with quick_gateway(upstream) as quick:
        failed = await failure_of(_get(quick, "99400000000000000"))
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
        failed = await failure_of(_get(quick, "99400000000000000"))
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
        failed = await failure_of(_get(quick, "1"))
        assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
        await _get(quick, "1")
        years = [request.partition(b"x-ms-date: ")[2][12:16] for request in service.requests]
        assert years == [formatdate(usegmt=True)[12:16].encode()] * 2


# --- answers that no sane service gives -----------------------------------------------------------


async def drip(_: Scripted, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte every now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless_continue(
    _: Scripted, __: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Announce an answer for ever."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


UNREADABLE: dict[str, Script] = {
    "larger than the cap": answer(b" " * (MAX_ANSWER_BYTES + 1)),
    "gzip that was not asked for": answer(
        gzip.compress(b'{"id":"1"}'), "200 OK", "Content-Encoding: gzip"
    ),
    "a page of HTML": answer(b"<html>Welcome</html>", "200 OK", "Content-Type: text/html"),
    "nothing": answer(b""),
    "a plain text": answer(b"ok", "200 OK", "Content-Type: text/plain"),
    "bad UTF-8": answer(b'{"id":"\xff\xfe"}'),
    "JSON of another shape": answer(b"[1, 2]"),
    "a room without an id": answer(b"{}"),
    "an id that is a number": answer(b'{"id":1}'),
    "JSON that never ends": answer(b'{"a":' * 100_000),
    "a success without a body": answer(b"", "204 No Content"),
}

BROKEN: dict[str, Script] = {
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True),
    "half a status line": raw(b"HTTP/1.1 2", close=True),
    "a status of letters": raw(b"HTTP/1.1 abc OK\r\n\r\n", close=True),
    "half a head": raw(b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    "half a body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id"', close=True),
    "a chunk of no size": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "two lengths": raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", close=True
    ),
    "a huge header": answer(b"{}", "200 OK", f"X-Padding: {'x' * 100_000}"),
    "too many headers": answer(b"{}", "200 OK", *["X-Padding: x"] * 20_000),
    "nothing at all": hang_up,
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_an_answer_that_is_complete_but_makes_no_sense_is_not_asked_for_again(
    kind: str,
) -> None:
    async with scripted(UNREADABLE[kind]) as service, quick_gateway(service.upstream) as quick:
        failed = await failure_of(_get(quick, "1"))
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.INTERNAL,
            "SERVICE_ANSWER_UNREADABLE",
        )
        assert failed.metadata["attempts"] == "1"
        assert len(service.requests) == 1


@pytest.mark.parametrize("kind", BROKEN)
async def test_an_answer_that_is_no_whole_http_answer_is_asked_for_again(kind: str) -> None:
    async with (
        scripted(BROKEN[kind], BROKEN[kind], answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream, max_attempts=3) as quick,
    ):
        assert (await _get(quick, "1")).room.id == "1"
        assert len(service.requests) == 3


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_service_that_never_gives_a_whole_answer_is_unavailable(kind: str) -> None:
    async with (
        scripted(BROKEN[kind]) as service,
        quick_gateway(service.upstream, max_attempts=2) as quick,
    ):
        failed = await failure_of(_get(quick, "1"))
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert failed.metadata["attempts"] == "2"


@pytest.mark.parametrize("script", [drip, endless_continue, silence])
async def test_an_answer_that_takes_longer_than_an_attempt_may_is_given_up(script: Script) -> None:
    async with (
        scripted(script) as service,
        quick_gateway(service.upstream, max_attempts=2, attempt_timeout=0.3) as quick,
    ):
        failed = await failure_of(_get(quick, "1"))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
        assert (len(service.requests), service.connections) == (2, 2)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
async def test_a_redirect_is_an_answer_that_makes_no_sense_and_is_not_followed(
    operation: Operation,
) -> None:
    async with scripted(answer(b'{"id":"1"}')) as other:
        redirect = answer(
            b"", "307 Temporary Redirect", f"Location: http://127.0.0.1:{other.port}/rooms/1"
        )
        async with scripted(redirect) as service, quick_gateway(service.upstream) as quick:
            failed = await failure_of(operation.call(quick, "1"))
            assert (failed.code, failed.reason) == (
                grpc.StatusCode.INTERNAL,
                "SERVICE_ANSWER_UNREADABLE",
            )
            assert len(service.requests) == 1
        assert other.connections == 0


async def test_a_cookie_of_the_service_is_not_kept() -> None:
    async with (
        scripted(answer(b'{"id":"1"}', "200 OK", "Set-Cookie: a=b; Path=/")) as service,
        quick_gateway(service.upstream) as quick,
    ):
        for _ in range(2):
            await _get(quick, "1")
        assert b"cookie" not in service.requests[1].lower()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
async def test_what_is_sent_asks_for_plain_json_on_one_host(operation: Operation) -> None:
    async with (
        scripted(answer(b'{"id":"1","value":[]}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        await operation.call(quick, "1")
        head = service.requests[0].partition(b"\r\n\r\n")[0].lower() + b"\r\n"
        assert head.count(b"\r\nhost: 127.0.0.1:%d\r\n" % service.port) == 1
        assert b"\r\naccept-encoding: identity\r\n" in head


@pytest.mark.parametrize("text", ["a b=c", 'x" code=OK', "\x1b[31m", "é", "x" * 200])
async def test_an_id_of_the_service_that_is_none_is_told_to_nobody(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    refused = raw(
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nMS-CV: good%b\r\n\r\n" % text.encode("latin-1")
    )
    async with (
        scripted(refused) as service,
        quick_gateway(service.upstream, max_attempts=1) as quick,
    ):
        failed = await failure_of(_get(quick, "1"))
    info = failed.detail(RequestInfo)
    assert info is not None
    assert info.serving_data == ""
    assert "good" not in caplog.text
    assert "request_id=" in caplog.text


# --- the rules alone ------------------------------------------------------------------------------

attempts = st.integers(1, 100)
asked = st.floats(0, allow_nan=False)


@given(attempt=attempts, jitter=st.floats(0, 1))
def test_a_wait_of_our_own_is_between_nothing_and_the_cap(attempt: int, jitter: float) -> None:
    policy = RetryPolicy(max_attempts=101, uniform=lambda low, high: low + jitter * (high - low))
    wait = policy.wait(attempt, None)
    assert wait is not None
    assert 0 <= wait <= min(policy.cap, policy.base * 2 ** (attempt - 1))


@given(attempt=attempts)
def test_the_longest_wait_never_shrinks_from_one_attempt_to_the_next(attempt: int) -> None:
    policy = RetryPolicy(max_attempts=200, uniform=longest)
    first, second = policy.wait(attempt, None), policy.wait(attempt + 1, None)
    assert first is not None
    assert second is not None
    assert first <= second <= policy.cap


@given(attempt=attempts, seconds=asked)
def test_no_wait_is_shorter_than_the_service_asked_for(attempt: int, seconds: float) -> None:
    policy = RetryPolicy(max_attempts=101)
    wait = policy.wait(attempt, seconds)
    if seconds > policy.retry_after_cap:
        assert wait is None
    else:
        assert wait is not None
        assert seconds <= wait <= seconds + policy.base


@given(attempt=attempts, most=attempts, seconds=st.none() | asked)
def test_no_call_has_more_attempts_than_it_may(
    attempt: int, most: int, seconds: float | None
) -> None:
    if attempt >= most:
        assert RetryPolicy(max_attempts=most).wait(attempt, seconds) is None


@given(seconds=st.integers(0, 10**9), blanks=st.sampled_from(["", " ", "  "]))
def test_a_number_of_seconds_is_read_as_it_is(seconds: int, blanks: str) -> None:
    headers = {"Retry-After": f"{blanks}{seconds}{blanks}"}
    assert retry_after(headers, 0) == seconds


@given(now=st.integers(0, 4 * 10**9), distance=st.integers(-(10**6), 10**6))
def test_a_date_is_read_as_the_seconds_until_it_and_never_as_less_than_none(
    now: int, distance: int
) -> None:
    headers = {"Retry-After": formatdate(max(0, now + distance), usegmt=True)}
    assert retry_after(headers, now) == max(0, max(0, now + distance) - now)


date_like = st.from_regex(r"\A\w{0,3},? ?\d{1,25} \w{3} \d{1,25} \d+:\d+(:\d+)? ?[-+]?\d{0,30}\Z")


@given(text=st.text() | date_like | st.text("0123456789 :,+-JanMoGT"))
def test_whatever_stands_in_a_header_reading_it_does_not_fail(text: str) -> None:
    seconds = retry_after({"Retry-After": text}, 1e9)
    assert seconds is None or seconds >= 0
    moment = http_date(text)
    assert moment is None or isinstance(moment, float)
