"""Lists of rooms with their rosters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.rooms_pb2 import ListRoomsRequest, ListRoomsResponse, RoomFilter
from grpc import StatusCode
from support.gateways import (
    HANDLERS,
    Running,
    by_raw_id,
    collect,
    failure_of,
    gateway_for,
    until,
    upstream_of,
)
from support.paths import ROOT
from support.rosters import QUERY, ids, moment, roster_pages
from support.samples import user
from support.upstreams import Scripted, scripted

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_emulator.rooms.windows import Window
from rooms_gateway.services.room_lists.lister import (
    CONCURRENT_ROSTERS,
    MAX_EMPTY_PAGES,
    ROOMS_PER_MESSAGE,
)

NO_CODE = {"x-ms-error-code": ""}

PAGE = 30
"""Records of a page of the Rooms service."""


async def with_rosters(
    running: Running, token: str = "", max_pages: int = 0, room_filter: RoomFilter | None = None
) -> list[ListRoomsResponse]:
    return await collect(reading(running, token, max_pages, room_filter))


def reading(
    running: Running, token: str = "", max_pages: int = 0, room_filter: RoomFilter | None = None
) -> AsyncIterator[ListRoomsResponse]:
    request = ListRoomsRequest(
        page_token=token, max_pages=max_pages, filter=room_filter, include_participants=True
    )
    return aiter(running.rooms.ListRooms(request))


@pytest.mark.proves("list-rosters")
async def test_each_room_comes_with_its_roster(running: Running) -> None:
    """In the order of the rooms, in messages of at most half a page."""
    seeded = running.emulator.store.seed(40, participants=2) + running.emulator.store.seed(1)
    found = await with_rosters(running)
    assert ids(found) == seeded[::-1]
    assert [len(page.rooms) for page in found] == [ROOMS_PER_MESSAGE, PAGE - ROOMS_PER_MESSAGE, 11]
    assert [bool(page.next_page_token) for page in found] == [True, True, False]
    assert running.requests("ListParticipants") == 41
    for page in found:
        for room, roster in zip(page.rooms, page.rosters, strict=True):
            (alone,) = await roster_pages(running, room.id)
            assert list(roster.participants) == list(alone.participants)
            assert not roster.HasField("error")
    assert len(by_raw_id(await roster_pages(running, found[0].rooms[1].id))) == 2


async def test_a_roster_of_several_pages_is_complete() -> None:
    async with Emulator(participants_page_size=2) as emulator, gateway_for(emulator) as running:
        emulator.store.seed(1, participants=5)
        (page,) = await with_rosters(running)
        assert len(page.rosters[0].participants) == 5


async def test_an_empty_list_is_one_message(running: Running) -> None:
    assert await with_rosters(running) == [ListRoomsResponse()]


async def test_tokens_resume_within_a_page(running: Running) -> None:
    running.emulator.store.seed(70, participants=1)
    whole = await with_rosters(running)
    for number, page in enumerate(whole[:-1], start=1):
        assert await with_rosters(running, page.next_page_token) == whole[number:]
    single: list[ListRoomsResponse] = await with_rosters(running, max_pages=1)
    while single[-1].next_page_token:
        single += await with_rosters(running, single[-1].next_page_token, 1)
    assert single == whole


@pytest.mark.parametrize("created", [0, 3, 100])
@pytest.mark.parametrize("deleted", [[], [15], [14, 15], [0, 16], [*range(16)]])
async def test_a_changed_page_loses_and_repeats_no_room(
    running: Running, created: int, deleted: list[int]
) -> None:
    """Rooms are created before the rest of a page is read, and sent rooms are deleted."""
    store = running.emulator.store
    before = store.seed(40)[::-1]
    (first,) = await with_rosters(running, max_pages=1)
    assert ids([first]) == before[:16]
    store.seed(created)
    for index in deleted:
        store.delete(before[index])
    rest = await with_rosters(running, first.next_page_token)
    assert ids(rest) == [each for each in before[16:] if each not in {before[i] for i in deleted}]


async def test_a_mark_survives_empty_messages(running: Running) -> None:
    """So many rooms were created since that their pages do not fit between two messages."""
    before = running.emulator.store.seed(40)[::-1]
    (page,) = await with_rosters(running, max_pages=1)
    running.emulator.store.seed((MAX_EMPTY_PAGES + 1) * PAGE)
    found = []
    while page.next_page_token:
        (page,) = await with_rosters(running, page.next_page_token, max_pages=1)
        found.append(page)
    assert not found[0].rooms
    assert ids(found) == before[ROOMS_PER_MESSAGE:]


def test_the_contract_names_the_limits() -> None:
    text = (ROOT / "protos/acs/rooms/v1/rooms.proto").read_text(encoding="utf-8")
    assert f"at most {ROOMS_PER_MESSAGE} rooms" in text
    assert MAX_EMPTY_PAGES == 10
    assert "ten pages in a row" in text


async def test_only_selected_rosters_are_read(running: Running) -> None:
    store = running.emulator.store
    store.seed(50)
    now = running.emulator.clock.now()
    past = [store.create(Window(now - 20, now - 10), {user(n): None}).id for n in range(3)]
    store.seed(50)
    ended = RoomFilter(valid_until_before=moment(running.emulator, 1))
    found = await with_rosters(running, room_filter=ended)
    assert ids(found) == past[::-1]
    assert running.requests("ListParticipants") == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=404), ErrorReason.ERROR_REASON_ROOM_NOT_FOUND),
        (Fault(status=500), ErrorReason.ERROR_REASON_UPSTREAM_FAILED),
        (Fault(status=400), ErrorReason.ERROR_REASON_UPSTREAM_REJECTED_REQUEST),
        (Fault(body="<html>"), ErrorReason.ERROR_REASON_UPSTREAM_RESPONSE_INVALID),
    ],
)
async def test_an_error_of_one_room_is_in_its_roster(
    once: Running, fault: Fault, reason: ErrorReason.ValueType
) -> None:
    once.emulator.store.seed(20, participants=1)
    once.emulator.faults.add(
        Fault(operation="ListParticipants", skip=5, status=fault.status, body=fault.body)
    )
    found = await with_rosters(once)
    rosters = [roster for page in found for roster in page.rosters]
    (failed,) = [roster for roster in rosters if roster.HasField("error")]
    assert failed.error.reason == reason
    assert not failed.participants
    assert sum(len(roster.participants) for roster in rosters) == 19


async def test_a_room_deleted_since_has_an_error(running: Running) -> None:
    """It is still on the page that was read before."""
    deleted, kept = running.emulator.store.seed(2, participants=1)
    body = json.dumps({"value": [{"id": deleted}, {"id": kept}]})
    running.emulator.store.delete(deleted)
    running.emulator.faults.add(Fault(operation="ListRooms", status=200, body=body))
    (page,) = await with_rosters(running)
    assert [room.id for room in page.rooms] == [deleted, kept]
    assert page.rosters[0].error.code == StatusCode.NOT_FOUND.value[0]
    assert len(page.rosters[1].participants) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=401), "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"),
        (Fault(status=403), "ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
        (Fault(status=429), "ERROR_REASON_THROTTLED"),
        (Fault(status=503), "ERROR_REASON_UPSTREAM_UNAVAILABLE"),
        (Fault(drop="before"), "ERROR_REASON_UPSTREAM_UNAVAILABLE"),
        # A 404 that a proxy has sent does not mean that a room is missing.
        (Fault(status=404, headers=NO_CODE, body=""), "ERROR_REASON_UPSTREAM_RESPONSE_INVALID"),
    ],
)
async def test_an_error_of_all_rooms_ends_the_list(
    emulator: Emulator, fault: Fault, reason: str
) -> None:
    """The list resumes after the rooms that were sent."""
    seeded = emulator.store.seed(40, participants=1)[::-1]
    emulator.faults.add(
        Fault(
            operation="ListParticipants",
            skip=20,
            count=None,
            status=fault.status,
            drop=fault.drop,
            headers=fault.headers,
            body=fault.body,
        )
    )
    async with gateway_for(emulator, max_attempts=1, max_pacing_wait=0) as running:
        stream = reading(running)
        seen = [await anext(stream)]
        failed = await failure_of(anext(stream))
        assert failed.reason == reason
    emulator.faults.clear()
    async with gateway_for(emulator) as running:
        rest = await with_rosters(running, seen[-1].next_page_token)
    assert ids(seen) + ids(rest) == seeded


async def test_throttled_rosters_are_delayed_not_failed(running: Running) -> None:
    seeded = running.emulator.store.seed(20, participants=1)
    running.emulator.faults.add(
        Fault(operation="ListParticipants", skip=3, status=429, headers={"Retry-After": "0"})
    )
    found = await with_rosters(running)
    assert ids(found) == seeded[::-1]
    assert all(len(roster.participants) == 1 for page in found for roster in page.rosters)


def wide(size: int) -> Fault:
    """Return a roster of one participant with a raw id of `size` characters."""
    body = json.dumps({"value": [{"rawId": "x" * size, "role": "Attendee"}]})
    return Fault(operation="ListParticipants", status=200, body=body)


async def test_large_rosters_get_messages_of_their_own(running: Running) -> None:
    """A message stays below 3 MiB, and a roster above it is an error."""
    seeded = running.emulator.store.seed(5)[::-1]
    # The raw id is twice in a participant: as such, and typed.
    for size in (600_000, 600_000, 600_000, 1_000, 1_700_000):
        running.emulator.faults.add(wide(size))
    found = await with_rosters(running)
    assert ids(found) == seeded
    assert all(page.ByteSize() < 3_500_000 for page in found)
    assert len(found) == 2
    reasons = [roster.error.reason for page in found for roster in page.rosters]
    assert reasons.count(ErrorReason.ERROR_REASON_ROSTER_TOO_LARGE) == 1
    assert await with_rosters(running, found[0].next_page_token)


async def test_rosters_are_read_eight_at_a_time() -> None:
    active = most = 0

    async def respond(
        state: Scripted, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal active, most
        body = {"value": [{"id": str(n)} for n in range(PAGE)]}
        if b"/participants?" in state.requests[-1]:
            active += 1
            most = max(most, active)
            await asyncio.sleep(0.01)
            active -= 1
            body = {"value": []}
        text = json.dumps(body).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))

    async with (
        Emulator() as unused,
        scripted(respond) as service,
        gateway_for(unused, service.upstream) as running,
    ):
        found = await with_rosters(running)
    assert [len(page.rooms) for page in found] == [16, 14]
    assert most == CONCURRENT_ROSTERS


def rooms_page(emulator: Emulator, number: int) -> Fault:
    """Return a page of rooms with a link to the next one."""
    link = f"{emulator.endpoint}/rooms?nextLink={number}&{QUERY}"
    body = {"value": [{"id": f"{number}-{each}"} for each in range(PAGE)], "nextLink": link}
    return Fault(operation="ListRooms", status=200, body=json.dumps(body))


async def test_a_slow_client_stops_the_reading(running: Running) -> None:
    """And a cancelled list leaves no task and sends no further request."""
    before = asyncio.all_tasks()
    for number in range(60):
        running.emulator.faults.add(rooms_page(running.emulator, number))
    fault = wide(100_000)
    running.emulator.faults.add(
        Fault(operation="ListParticipants", status=200, body=fault.body, count=None)
    )
    call = running.rooms.ListRooms(ListRoomsRequest(include_participants=True))
    await call.read()
    count, unchanged = 0, 0
    while unchanged < 5:
        await asyncio.sleep(0.1)
        unchanged = unchanged + 1 if count == running.requests() else 0
        count = running.requests()
    # The buffers of HTTP/2 hold 8 MiB: three messages.
    assert count < 300
    call.cancel()
    await until(lambda: not _working(asyncio.all_tasks() - before), 20)
    assert running.requests() == count


async def test_cancelling_while_rosters_are_read(running: Running) -> None:
    before = asyncio.all_tasks()
    running.emulator.store.seed(30, participants=1)
    running.emulator.faults.add(Fault(operation="ListParticipants", latency=30, count=None))
    call = running.rooms.ListRooms(ListRoomsRequest(include_participants=True))
    await until(lambda: running.requests("ListParticipants") == CONCURRENT_ROSTERS)
    call.cancel()
    await until(lambda: not _working(asyncio.all_tasks() - before), 20)
    assert running.requests("ListParticipants") == CONCURRENT_ROSTERS


def _working(tasks: set[asyncio.Task[object]]) -> set[str]:
    names = {getattr(task.get_coro(), "__name__", "") for task in tasks}
    return names & (HANDLERS | {"run", "fetch"})


async def test_an_upstream_that_dies_midway_ends_the_list() -> None:
    async with Emulator() as emulator:
        emulator.store.seed(60, participants=1)
        async with gateway_for(
            emulator, upstream_of(emulator), max_attempts=1, max_pacing_wait=0
        ) as running:
            stream = reading(running)
            await anext(stream)
            emulator.faults.add(Fault(refuse=60, count=None))
            failed = await failure_of(anext(stream))
            assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
