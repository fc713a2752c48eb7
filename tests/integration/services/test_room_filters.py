"""Lists of rooms with a filter."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from acs.rooms.v1.rooms_pb2 import ListRoomsRequest, ListRoomsResponse, RoomFilter
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.gateways import Running, collect, failure_of, gateway_for, gateway_for_examples
from support.rosters import ids
from support.samples import INVALID, TOKEN_INVALID, UNREADABLE

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_emulator.rooms.records import Room, Roster
from rooms_emulator.rooms.store import RoomsState, _Record
from rooms_gateway.services.room_lists.lister import MAX_EMPTY_PAGES

SECOND = 10_000_000
"""Ticks of the emulator."""


def at(ticks: int) -> Timestamp:
    return Timestamp(seconds=ticks // SECOND, nanos=ticks % SECOND * 100)


async def filtered(
    running: Running, room_filter: RoomFilter, token: str = "", max_pages: int = 0
) -> list[ListRoomsResponse]:
    request = ListRoomsRequest(filter=room_filter, page_token=token, max_pages=max_pages)
    return await collect(running.rooms.ListRooms(request))


def seed(emulator: Emulator, rooms: list[Room | None]) -> None:
    """Put `rooms` alone into the store, the oldest first; None is a deleted room."""
    emulator.store.clear()
    emulator.store.apply(
        RoomsState(
            [_Record(number, room, Roster()) for number, room in enumerate(rooms) if room],
            [number for number, room in enumerate(rooms) if room is None],
            len(rooms),
        )
    )


def seed_plain(emulator: Emulator, count: int) -> None:
    """Put rooms into the store that were created at 1, 2, 3 … seconds."""
    seed(emulator, [Room(str(n), n * SECOND, 0, SECOND, n % 2 == 0) for n in range(1, count + 1)])


TICKS = st.integers(0, 40).map(lambda number: number * SECOND // 10)
ROOMS = st.lists(
    st.tuples(TICKS, TICKS, TICKS, st.booleans(), st.integers(0, 3)), max_size=100
).map(
    lambda rows: [
        Room(str(number), created, start, end, dial_out) if kept else None
        for number, (created, start, end, dial_out, kept) in enumerate(sorted(rows))
    ]
)
TIMES = TICKS.map(at)
FILTERS = st.builds(
    RoomFilter,
    valid_at=st.none() | TIMES,
    created_after=st.none() | TIMES,
    created_before=st.none() | TIMES,
    valid_until_before=st.none() | TIMES,
    pstn_dial_out_enabled=st.none() | st.booleans(),
).filter(
    lambda each: (
        not (each.HasField("created_after") and each.HasField("created_before"))
        or each.created_after.ToNanoseconds() < each.created_before.ToNanoseconds()
    )
)


def selects(room_filter: RoomFilter, room: Room) -> bool:
    """Return whether a filter selects a room, by the text of the contract."""

    def ticks(name: str) -> int:
        return int(getattr(room_filter, name).ToNanoseconds()) // 100

    is_set: Callable[[str], bool] = room_filter.HasField  # type: ignore[assignment] # any field
    return (
        (not is_set("valid_at") or room.valid_from <= ticks("valid_at") < room.valid_until)
        and (not is_set("created_after") or room.created_at > ticks("created_after"))
        and (not is_set("created_before") or room.created_at < ticks("created_before"))
        and (not is_set("valid_until_before") or room.valid_until < ticks("valid_until_before"))
        and (
            not is_set("pstn_dial_out_enabled")
            or room.pstn_dial_out_enabled == room_filter.pstn_dial_out_enabled
        )
    )


@pytest.mark.proves("list-filter")
def test_a_list_equals_the_filtered_whole() -> None:
    """Also when it is resumed at each token, and page by page."""
    emulator = Emulator()
    with gateway_for_examples(emulator) as (runner, running):

        @given(ROOMS, FILTERS)
        @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
        def equal(rooms: list[Room | None], room_filter: RoomFilter) -> None:
            seed(emulator, rooms)
            expected = [each.id for each in reversed(rooms) if each and selects(room_filter, each)]
            whole = runner.run(filtered(running, room_filter))
            assert ids(whole) == expected
            assert [bool(page.next_page_token) for page in whole] == [True] * (len(whole) - 1) + [
                False
            ]
            for number, page in enumerate(whole[:-1]):
                rest = runner.run(filtered(running, room_filter, page.next_page_token))
                assert ids(whole[: number + 1]) + ids(rest) == expected
                assert page.rooms or not room_filter.ListFields()
            single = runner.run(filtered(running, room_filter, max_pages=1))
            while single[-1].next_page_token:
                token = single[-1].next_page_token
                single += runner.run(filtered(running, room_filter, token, 1))
            assert single == whole

        equal()


async def test_created_after_ends_the_list_early(running: Running) -> None:
    """Nothing is read after the page with the first room that is too old."""
    seed_plain(running.emulator, 100)
    found = await filtered(running, RoomFilter(created_after=at(65 * SECOND)))
    assert ids(found) == [str(number) for number in range(100, 65, -1)]
    assert running.requests() == 2
    assert found[-1].next_page_token == ""


async def test_created_before_sends_no_newer_pages(running: Running) -> None:
    seed_plain(running.emulator, 100)
    found = await filtered(running, RoomFilter(created_before=at(20 * SECOND)))
    assert ids(found) == [str(number) for number in range(19, 0, -1)]
    assert [len(page.rooms) for page in found] == [9, 10]
    assert running.requests() == 4


async def test_pages_out_of_order_lose_no_rooms(running: Running) -> None:
    """A page is filtered to its end, also after a room that is too old."""
    rooms = [{"id": str(n), "createdAt": f"1970-01-01T00:00:0{n}Z"} for n in (3, 1, 4)]
    link = f"{running.emulator.endpoint}/rooms?nextLink=2&api-version=2025-03-13"
    for body in ({"value": rooms, "nextLink": link}, {"value": rooms[:2]}):
        running.emulator.faults.add(Fault(status=200, body=json.dumps(body)))
    found = await filtered(running, RoomFilter(created_after=at(2 * SECOND)))
    assert [[room.id for room in page.rooms] for page in found] == [["3", "4"], ["3"]]


async def test_empty_pages_are_merged_up_to_a_limit(running: Running) -> None:
    seed_plain(running.emulator, 30 * (2 * MAX_EMPTY_PAGES + 3))
    never = RoomFilter(valid_at=at(10 * SECOND))
    found = await filtered(running, never)
    assert [bool(page.next_page_token) for page in found] == [True, True, False]
    assert not ids(found)
    running.emulator.journal.clear()
    (page,) = await filtered(running, never, max_pages=1)
    assert page == found[0]
    assert running.requests() == MAX_EMPTY_PAGES


@pytest.mark.parametrize("count", [0, 60])
async def test_a_list_without_a_match_is_one_message(running: Running, count: int) -> None:
    seed_plain(running.emulator, count)
    found = await filtered(running, RoomFilter(created_after=at(1000 * SECOND)))
    assert found == [ListRoomsResponse()]
    assert running.requests() == 1


async def test_max_pages_counts_messages_not_pages(running: Running) -> None:
    seed_plain(running.emulator, 100)
    room_filter = RoomFilter(created_before=at(50 * SECOND))
    (page,) = await filtered(running, room_filter, max_pages=1)
    assert len(page.rooms) == 9
    assert running.requests() == 2
    (page,) = await filtered(running, room_filter, page.next_page_token, max_pages=1)
    assert len(page.rooms) == 30
    assert running.requests() == 3


async def test_a_token_is_valid_for_its_filter_only(running: Running) -> None:
    seed_plain(running.emulator, 100)
    one = RoomFilter(pstn_dial_out_enabled=True)
    other = RoomFilter(pstn_dial_out_enabled=False)
    token = (await filtered(running, one, max_pages=1))[0].next_page_token
    plain = (await filtered(running, RoomFilter(), max_pages=1))[0].next_page_token
    running.emulator.journal.clear()
    for request in (
        ListRoomsRequest(page_token=token),
        ListRoomsRequest(page_token=token, filter=RoomFilter()),
        ListRoomsRequest(page_token=token, filter=other),
        ListRoomsRequest(page_token=token, filter=one, include_participants=True),
        ListRoomsRequest(page_token=plain, filter=one),
        ListRoomsRequest(page_token=plain, include_participants=True),
    ):
        failed = await failure_of(collect(running.rooms.ListRooms(request)))
        assert (failed.code, failed.reason) == TOKEN_INVALID
    assert running.requests() == 0


async def test_an_empty_filter_is_no_filter(running: Running) -> None:
    """Pages and tokens are those of a list without one."""
    running.emulator.store.seed(40, deleted=True)
    running.emulator.store.seed(40)
    plain = await collect(running.rooms.ListRooms(ListRoomsRequest()))
    assert await filtered(running, RoomFilter()) == plain
    request = ListRoomsRequest(page_token=plain[0].next_page_token, filter=RoomFilter())
    assert await collect(running.rooms.ListRooms(request)) == plain[1:]


@pytest.mark.parametrize(
    ("room_filter", "field"),
    [
        (RoomFilter(valid_at=Timestamp(nanos=-1)), "filter.valid_at"),
        (RoomFilter(created_after=at(2), created_before=at(1)), "filter.created_before"),
    ],
)
async def test_an_invalid_filter_is_rejected_unsent(
    running: Running, room_filter: RoomFilter, field: str
) -> None:
    failed = await failure_of(filtered(running, room_filter))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_rooms_without_a_time_are_left_out(running: Running) -> None:
    """The Rooms service may omit a member; a time that is malformed ends the list."""
    body = json.dumps({"value": [{"id": "1"}, {"id": "2", "createdAt": "2026-01-01T00:00:00Z"}]})
    running.emulator.faults.add(Fault(status=200, body=body))
    assert ids(await filtered(running, RoomFilter(created_after=at(0)))) == ["2"]
    body = json.dumps({"value": [{"id": "1", "createdAt": "soon"}]})
    running.emulator.faults.add(Fault(status=200, body=body))
    failed = await failure_of(filtered(running, RoomFilter(created_after=at(0))))
    assert (failed.code, failed.reason) == UNREADABLE


async def test_a_failed_filtered_list_resumes(emulator: Emulator) -> None:
    """The last token that arrived resumes the list, on another gateway too."""
    seed_plain(emulator, 100)
    emulator.faults.add(Fault(skip=2, status=503))
    even = RoomFilter(pstn_dial_out_enabled=True)
    async with gateway_for(emulator, max_attempts=1) as running:
        stream = running.rooms.ListRooms(ListRoomsRequest(filter=even))
        pages = aiter(stream)
        seen = [await anext(pages), await anext(pages)]
        failed = await failure_of(anext(pages))
        assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
    async with gateway_for(emulator) as running:
        rest = await filtered(running, even, seen[-1].next_page_token)
    assert ids(seen) + ids(rest) == [str(number) for number in range(100, 0, -2)]


async def test_a_link_that_repeats_ends_the_list(running: Running) -> None:
    """Without a room to send, nothing else would end it."""
    link = f"{running.emulator.endpoint}/rooms?nextLink=2&api-version=2025-03-13"
    body = json.dumps({"value": [], "nextLink": link})
    running.emulator.faults.add(Fault(status=200, body=body, count=None))
    failed = await failure_of(filtered(running, RoomFilter(valid_at=at(1))))
    assert (failed.code, failed.reason) == UNREADABLE
    assert running.requests() == 2
