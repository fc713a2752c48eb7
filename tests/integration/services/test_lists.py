"""Lists page by page, with short and empty pages, and errors between pages."""

from __future__ import annotations

import pytest
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc import StatusCode
from support.gateways import Running, gateway_for
from support.rosters import ids, pages, roster_pages, until_failure
from support.samples import UNREADABLE, user

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, [0]), (1, [1]), (30, [30]), (31, [30, 1]), (75, [30, 30, 15]), (90, [30, 30, 30])],
)
async def test_each_upstream_page_is_one_message(
    running: Running, count: int, sizes: list[int]
) -> None:
    """Rooms are listed newest first."""
    seeded = running.emulator.store.seed(count)
    found = await pages(running)
    assert [len(page.rooms) for page in found] == sizes
    assert ids(found) == seeded[::-1]
    assert running.requests("ListRooms") == len(sizes)


async def test_every_page_but_the_last_has_a_token(running: Running) -> None:
    running.emulator.store.seed(75)
    found = await pages(running)
    assert [bool(page.next_page_token) for page in found] == [True, True, False]
    assert len({page.next_page_token for page in found}) == 3


async def test_listed_rooms_have_every_field(running: Running) -> None:
    created = (await running.rooms.CreateRoom(CreateRoomRequest(pstn_dial_out_enabled=True))).room
    (page,) = await pages(running)
    assert list(page.rooms) == [created]


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ("lllddd", [90, 0, 0, 0]),
        ("dddlll", [0, 0, 0, 90]),
        ("ldldld", None),
        ("dddddd", [0, 0, 0, 0, 0, 0]),
    ],
)
async def test_empty_pages_do_not_end_a_list(
    running: Running, live: str, expected: list[int] | None
) -> None:
    """The Rooms service removes deleted rooms after it has read a page of 30."""
    seeded: list[str] = []
    for kind in live:
        made = running.emulator.store.seed(30, deleted=kind == "d")
        seeded += made if kind == "l" else []
    found = await pages(running)
    assert len(found) == len(live)
    assert [len(page.rooms) for page in found] == [30 * (kind == "l") for kind in reversed(live)]
    assert ids(found) == seeded[::-1]
    assert all(page.next_page_token for page in found[:-1])
    assert found[-1].next_page_token == ""
    assert expected is None or sum(expected) == len(seeded)


async def test_deleted_rooms_shorten_their_page(running: Running) -> None:
    for deleted in (False, True, False, True, False):
        running.emulator.store.seed(13, deleted=deleted)
    found = await pages(running)
    assert [len(page.rooms) for page in found] == [17, 17, 5]


@pytest.mark.parametrize(
    ("max_pages", "count", "requests"), [(0, 4, 4), (1, 1, 1), (2, 2, 2), (4, 4, 4), (9, 4, 4)]
)
async def test_max_pages_bounds_messages_and_requests(
    running: Running, max_pages: int, count: int, requests: int
) -> None:
    running.emulator.store.seed(100)
    found = await pages(running, max_pages=max_pages)
    assert len(found) == count
    assert running.requests("ListRooms") == requests
    assert bool(found[-1].next_page_token) == (count < 4)


async def test_single_pages_equal_the_whole_list(
    running: Running,
) -> None:
    running.emulator.store.seed(40)
    running.emulator.store.seed(40, deleted=True)
    running.emulator.store.seed(25)
    whole = await pages(running)
    single = []
    token = ""
    while True:
        (page,) = await pages(running, token, max_pages=1)
        single.append(page)
        token = page.next_page_token
        if not token:
            break
    assert single == whole


async def test_rosters_are_paged_and_resumed() -> None:
    async with Emulator(participants_page_size=4) as emulator, gateway_for(emulator) as running:
        participants = [Participant(raw_id=user(number)) for number in range(10)]
        created = await running.rooms.CreateRoom(CreateRoomRequest(participants=participants))
        room_id = created.room.id
        whole = await roster_pages(running, room_id)
        assert [len(page.participants) for page in whole] == [4, 4, 2]
        assert [p.raw_id for page in whole for p in page.participants] == [
            p.raw_id for p in participants
        ]
        assert await roster_pages(running, room_id, whole[0].next_page_token) == whole[1:]
        assert await roster_pages(running, room_id, max_pages=1) == whole[:1]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(status=503), (StatusCode.UNAVAILABLE, "ERROR_REASON_UPSTREAM_UNAVAILABLE")),
        (Fault(status=429), (StatusCode.RESOURCE_EXHAUSTED, "ERROR_REASON_THROTTLED")),
        (
            Fault(status=403),
            (StatusCode.PERMISSION_DENIED, "ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
        ),
        (Fault(drop="before"), (StatusCode.UNAVAILABLE, "ERROR_REASON_UPSTREAM_UNAVAILABLE")),
        (Fault(body="<html>"), UNREADABLE),
        (Fault(body='{"value":[{"id":"1","createdAt":"soon"}]}'), UNREADABLE),
    ],
)
async def test_a_failed_list_resumes_by_its_last_token(
    emulator: Emulator, fault: Fault, outcome: tuple[StatusCode, str]
) -> None:
    """The error follows the pages that were read before it."""
    seeded = emulator.store.seed(100)
    async with gateway_for(emulator, max_attempts=1, max_pacing_wait=0) as running:
        emulator.faults.add(Fault(skip=2, status=fault.status, drop=fault.drop, body=fault.body))
        seen, failed = await until_failure(running)
        assert [len(page.rooms) for page in seen] == [30, 30]
        assert (failed.code, failed.reason) == outcome
        assert failed.metadata["attempts"] == "3"
    # Another gateway, because this one may pause after a rejection.
    async with gateway_for(emulator) as running:
        rest = await pages(running, seen[-1].next_page_token)
    assert ids(seen) + ids(rest) == seeded[::-1]


async def test_a_retried_page_is_not_visible_to_callers(running: Running) -> None:
    seeded = running.emulator.store.seed(100)
    running.emulator.faults.add(Fault(skip=1, status=503))
    running.emulator.faults.add(Fault(skip=2, drop="before"))
    assert ids(await pages(running)) == seeded[::-1]
    assert running.requests("ListRooms") == 6
