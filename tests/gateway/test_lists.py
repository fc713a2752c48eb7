from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    ListParticipantsRequest,
    ListParticipantsResponse,
    Participant,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    ListRoomsRequest,
    ListRoomsResponse,
)
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st
from running import (
    Failed,
    Running,
    collect,
    failure_of,
    gateway_before,
    gateway_for_examples,
    read_failure,
    until,
    upstream_of,
    user,
)

from gateway.call import Call
from gateway.convert import page_tokens
from gateway.credentials import make_credential
from gateway.emulator import Emulator
from gateway.emulator.faults import Fault
from gateway.rest import RoomsApi
from gateway.rest.versions import API_VERSIONS
from gateway.transport import Transport
from gateway.transport.http import HttpClient

QUERY = "api-version=2025-03-13"
UNREADABLE = (StatusCode.INTERNAL, "SERVICE_ANSWER_UNREADABLE")
TOKEN_INVALID = (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def pages(running: Running, token: str = "", max_pages: int = 0) -> list[ListRoomsResponse]:
    request = ListRoomsRequest(page_token=token, max_pages=max_pages)
    return await collect(running.rooms.ListRooms(request))


async def roster_pages(
    running: Running, room_id: str, token: str = "", max_pages: int = 0
) -> list[ListParticipantsResponse]:
    request = ListParticipantsRequest(room_id=room_id, page_token=token, max_pages=max_pages)
    return await collect(running.participants.ListParticipants(request))


async def until_failure(running: Running) -> tuple[list[ListRoomsResponse], Failed]:
    """Read the rooms to a failure that has to come; return what came before it, too."""
    seen = []
    try:
        async for page in running.rooms.ListRooms(ListRoomsRequest()):
            seen.append(page)  # noqa: PERF401 - what came before the failure counts
    except grpc.aio.AioRpcError as error:
        return seen, read_failure(error)
    pytest.fail("the list did not fail")


def ids(found: list[ListRoomsResponse]) -> list[str]:
    return [room.id for page in found for room in page.rooms]


def list_targets(running: Running) -> list[str]:
    return [entry.target for entry in running.emulator.journal if entry.operation == "ListRooms"]


# Pages and tokens.


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, [0]), (1, [1]), (30, [30]), (31, [30, 1]), (75, [30, 30, 15]), (90, [30, 30, 30])],
)
async def test_a_list_has_one_message_for_each_page_of_the_service_newest_first(
    running: Running, count: int, sizes: list[int]
) -> None:
    seeded = running.emulator.store.seed(count)
    found = await pages(running)
    assert [len(page.rooms) for page in found] == sizes
    assert ids(found) == seeded[::-1]
    assert running.requests("ListRooms") == len(sizes)


async def test_every_page_but_the_last_has_a_token_to_go_on_with(running: Running) -> None:
    running.emulator.store.seed(75)
    found = await pages(running)
    assert [bool(page.next_page_token) for page in found] == [True, True, False]
    assert len({page.next_page_token for page in found}) == 3


async def test_a_listed_room_has_every_field_that_a_read_room_has(running: Running) -> None:
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
async def test_short_and_empty_pages_in_the_middle_do_not_end_a_list(
    running: Running, live: str, expected: list[int] | None
) -> None:
    """The service drops deleted rooms only after it has read a page of 30."""
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


async def test_a_page_of_which_some_rooms_are_deleted_is_passed_on_short(running: Running) -> None:
    for deleted in (False, True, False, True, False):
        running.emulator.store.seed(13, deleted=deleted)
    found = await pages(running)
    assert [len(page.rooms) for page in found] == [17, 17, 5]


@pytest.mark.parametrize(
    ("max_pages", "count", "requests"), [(0, 4, 4), (1, 1, 1), (2, 2, 2), (4, 4, 4), (9, 4, 4)]
)
async def test_max_pages_bounds_the_messages_and_the_requests_to_the_service(
    running: Running, max_pages: int, count: int, requests: int
) -> None:
    running.emulator.store.seed(100)
    found = await pages(running, max_pages=max_pages)
    assert len(found) == count
    assert running.requests("ListRooms") == requests
    assert bool(found[-1].next_page_token) == (count < 4)


async def test_reading_one_page_at_a_time_gives_what_reading_at_once_gives(
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


async def test_every_token_of_a_stream_resumes_right_after_its_page(running: Running) -> None:
    running.emulator.store.seed(100)
    whole = await pages(running)
    for place, page in enumerate(whole[:-1], start=1):
        assert await pages(running, page.next_page_token) == whole[place:]


async def test_a_token_outlives_its_gateway_and_is_good_on_any_other(emulator: Emulator) -> None:
    emulator.store.seed(70)
    async with gateway_before(emulator) as first:
        whole = await pages(first)
    async with gateway_before(emulator) as second, gateway_before(emulator) as third:
        for gateway in (second, third):
            assert await pages(gateway, whole[0].next_page_token) == whole[1:]


async def test_a_token_is_fit_for_a_url_and_names_no_host(running: Running) -> None:
    running.emulator.store.seed(31)
    token = (await pages(running))[0].next_page_token
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()
    query = page_tokens.decode(token, "ListRooms")
    assert query is not None
    assert running.emulator.endpoint.removeprefix("http://") not in query
    assert "//" not in query


async def test_rosters_are_paged_and_resumed_as_rooms_are() -> None:
    async with Emulator(participants_page_size=4) as emulator, gateway_before(emulator) as running:
        people = [Participant(raw_id=user(number)) for number in range(10)]
        created = await running.rooms.CreateRoom(CreateRoomRequest(participants=people))
        room_id = created.room.id
        whole = await roster_pages(running, room_id)
        assert [len(page.participants) for page in whole] == [4, 4, 2]
        assert [p.raw_id for page in whole for p in page.participants] == [p.raw_id for p in people]
        assert await roster_pages(running, room_id, whole[0].next_page_token) == whole[1:]
        assert await roster_pages(running, room_id, max_pages=1) == whole[:1]


async def test_the_request_for_a_page_repeats_the_query_of_the_link_letter_by_letter(
    running: Running,
) -> None:
    query = f"nextLink=a%2Fb%2fc+d~*'e;f:g@h/?{'x' * 2752}&{QUERY}".replace("'", "!")
    link = f"{running.emulator.endpoint}/rooms?{query}"
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=link))
    _, failed = await until_failure(running)
    assert list_targets(running)[1] == f"/rooms?{query}"
    assert failed.reason == "SERVICE_REJECTED_REQUEST"  # an emulator's own tokens differ


# Read-ahead, and what stops it.


async def test_at_most_one_page_is_read_ahead_of_the_reader(emulator: Emulator) -> None:
    emulator.store.seed(150)
    upstream = upstream_of(emulator)
    http = HttpClient(
        upstream.endpoint, user_agent="t", max_connections=4, max_answer_bytes=1_000_000
    )
    async with http:
        transport = Transport(
            http, upstream.endpoint, make_credential(upstream.credential, upstream.endpoint)
        )
        api = RoomsApi(transport, upstream.endpoint, API_VERSIONS["2025-03-13"])
        reading = api.list_rooms(None, 0, Call("id", float("inf"), repeatable=True))
        for place in range(1, 5):
            await anext(reading)
            await until(lambda place=place: len(emulator.journal) >= place + 1)  # type: ignore[misc] # a lambda's default
            await asyncio.sleep(0.02)
            assert len(emulator.journal) == place + 1
        assert [len((await anext(reading)).items), len(emulator.journal)] == [30, 5]
        await reading.aclose()


def wide_page(emulator: Emulator, number: int, size: int) -> str:
    """Make a page of one participant with a name of `size` characters, and a link to the next."""
    link = f"{emulator.endpoint}/rooms/994/participants?nextLink={number}&{QUERY}"
    return json.dumps({"value": [{"rawId": "x" * size}], "nextLink": link})


async def test_a_reader_that_stops_reading_stops_the_fetching(running: Running) -> None:
    """Only so much as fits on the way, 8 MiB in HTTP/2's buffers, is fetched without a reader."""
    before = asyncio.all_tasks()
    for number in range(60):
        running.emulator.faults.add(
            Fault(
                operation="ListParticipants",
                status=200,
                body=wide_page(running.emulator, number, 1_000_000),
            )
        )
    call = running.participants.ListParticipants(ListParticipantsRequest(room_id="994"))
    await call.read()
    count = -1
    while count != running.requests():
        count = running.requests()
        await asyncio.sleep(0.25)
    assert count <= 20
    call.cancel()
    await until(lambda: not OF_A_LIST & names_of(asyncio.all_tasks() - before), 2)
    assert running.requests() == count


async def test_a_list_cancelled_half_way_leaves_nothing_behind_and_fetches_no_more(
    running: Running,
) -> None:
    running.emulator.store.seed(150)
    before = asyncio.all_tasks()
    running.emulator.faults.add(Fault(operation="ListRooms", skip=2, latency=30))
    call = running.rooms.ListRooms(ListRoomsRequest())
    await call.read()
    await until(lambda: running.requests("ListRooms") == 3)
    assert names_of(asyncio.all_tasks() - before) >= OF_A_LIST
    call.cancel()
    await until(lambda: not OF_A_LIST & names_of(asyncio.all_tasks() - before), 2)
    await asyncio.sleep(0.05)
    assert running.requests("ListRooms") == 3


OF_A_LIST = {"_handle_exceptions", "fetch"}
"""What runs for a list while it is read: grpc's task for the handler, and ours that reads ahead."""


def names_of(tasks: set[asyncio.Task[object]]) -> set[str]:
    return {getattr(task.get_coro(), "__name__", "") for task in tasks}


# Failures on the way.


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault(status=503), (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")),
        (Fault(status=429), (StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")),
        (Fault(status=403), (StatusCode.PERMISSION_DENIED, "SERVICE_FORBADE")),
        (Fault(drop="before"), (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")),
        (Fault(body="<html>"), UNREADABLE),
        (Fault(body='{"value":[{"id":"1","createdAt":"soon"}]}'), UNREADABLE),
    ],
)
async def test_a_failure_on_the_way_comes_after_the_pages_before_it_and_the_last_token_resumes(
    emulator: Emulator, fault: Fault, outcome: tuple[StatusCode, str]
) -> None:
    seeded = emulator.store.seed(100)
    async with gateway_before(emulator, max_attempts=1) as running:
        emulator.faults.add(Fault(skip=2, status=fault.status, drop=fault.drop, body=fault.body))
        seen, failed = await until_failure(running)
        assert [len(page.rooms) for page in seen] == [30, 30]
        assert (failed.code, failed.reason) == outcome
        assert failed.metadata["attempts"] == "3"
        rest = await pages(running, seen[-1].next_page_token)
    assert ids(seen) + ids(rest) == seeded[::-1]


async def test_a_failure_of_one_attempt_on_the_way_is_not_seen_at_all(running: Running) -> None:
    seeded = running.emulator.store.seed(100)
    running.emulator.faults.add(Fault(skip=1, status=503))
    running.emulator.faults.add(Fault(skip=2, drop="before"))
    assert ids(await pages(running)) == seeded[::-1]
    assert running.requests("ListRooms") == 6


# Links that lead elsewhere.


HOSTILE = {
    "foreign host": "{other}/rooms?nextLink=x&{query}",
    "other port": "http://127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "port zero": "http://127.0.0.1:0/rooms?nextLink=x&{query}",
    "port left out": "http://127.0.0.1/rooms?nextLink=x&{query}",
    "other name of the same host": "http://localhost:{port}/rooms?nextLink=x&{query}",
    "other scheme": "https://127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "scheme of a file": "file:///rooms?nextLink=x&{query}",
    "userinfo that looks like us": "http://127.0.0.1:{port}@127.0.0.1:{other_port}/rooms?nextLink=x",
    "userinfo": "http://user:key@127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "empty userinfo": "http://@127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "no scheme": "//127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "no scheme but ours": "//127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "backslashes": "http:\\\\127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "backslash before userinfo": "http://127.0.0.1:{other_port}\\@127.0.0.1:{port}/rooms?a=b",
    "other path": "{ours}/rooms/994?{query}",
    "path above": "{ours}/?{query}",
    "longer path": "{ours}/rooms/?nextLink=x&{query}",
    "path with dots": "{ours}/rooms/../rooms?nextLink=x&{query}",
    "path with encoded dots": "{ours}/rooms/%2e%2e/rooms?nextLink=x&{query}",
    "path in other case": "{ours}/Rooms?nextLink=x&{query}",
    "encoded path": "{ours}/%72ooms?nextLink=x&{query}",
    "relative path": "rooms?nextLink=x&{query}",
    "query alone": "?nextLink=x&{query}",
    "word": "next",
    "no query": "{ours}/rooms",
    "empty query": "{ours}/rooms?",
    "fragment": "{ours}/rooms?nextLink=x&{query}#there",
    "empty fragment": "{ours}/rooms?nextLink=x&{query}#",
    "line break": "{ours}/rooms?nextLink=x\r\nX-Injected: 1\r\n&{query}",
    "line break alone": "{ours}/rooms?nextLink=x\n&{query}",
    "line break in the path": "{ours}/ro\noms?nextLink=x&{query}",
    "blank": "{ours}/rooms?nextLink=x y&{query}",
    "blank before": " {ours}/rooms?nextLink=x&{query}",
    "tab": "{ours}/rooms?next\tLink=x&{query}",
    "NUL": "{ours}/rooms?nextLink=x\0&{query}",
    "not ASCII": "{ours}/rooms?nextLink=é&{query}",
    "broken escape": "{ours}/rooms?nextLink=%zz&{query}",
    "quotes": "{ours}/rooms?nextLink='x'&{query}",
    "port that is none": "http://127.0.0.1:port/rooms?nextLink=x&{query}",
    "port out of range": "http://127.0.0.1:99999/rooms?nextLink=x&{query}",
    "broken address": "http://[127.0.0.1/rooms?nextLink=x&{query}",
    "longer than any request line": "{ours}/rooms?nextLink=" + "x" * 8001,
}


@pytest.fixture
async def other() -> AsyncIterator[Emulator]:
    """Run somebody else's service, to see that nothing is sent to it."""
    async with Emulator() as emulator:
        yield emulator


@pytest.mark.parametrize("link", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_link_that_leads_elsewhere_is_not_followed_there_or_anywhere(
    running: Running, other: Emulator, link: str
) -> None:
    running.emulator.store.seed(90)
    link = link.format(
        ours=running.emulator.endpoint,
        port=running.emulator.endpoint.rpartition(":")[2],
        other=other.endpoint.replace("127.0.0.1", "localhost"),
        other_port=other.endpoint.rpartition(":")[2],
        query=QUERY,
    )
    running.emulator.faults.add(Fault(operation="ListRooms", skip=1, next_link=link))
    seen, failed = await until_failure(running)
    assert (failed.code, failed.reason) == UNREADABLE
    assert [len(page.rooms) for page in seen] == [30]
    assert running.requests() == 2
    assert len(other.journal) == 0


async def test_a_link_of_a_roster_to_another_room_is_not_followed(running: Running) -> None:
    first, second = running.emulator.store.seed(2, participants=3)
    for path in (f"/rooms/{second}/participants", f"/rooms/{first}", "/rooms"):
        link = f"{running.emulator.endpoint}{path}?nextLink=x&{QUERY}"
        running.emulator.faults.add(Fault(operation="ListParticipants", next_link=link))
        failed = await failure_of(roster_pages(running, first))
        assert (failed.code, failed.reason) == UNREADABLE
    assert running.requests() == 3


async def test_a_link_without_an_origin_is_followed_if_its_path_is_the_lists(
    running: Running,
) -> None:
    """By RFC 3986 it means our origin, so nothing can be sent elsewhere."""
    running.emulator.store.seed(60)
    second = (await pages(running))[0].next_page_token
    query = page_tokens.decode(second, "ListRooms")
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=f"/rooms?{query}"))
    assert [len(page.rooms) for page in await pages(running)] == [30, 30]


async def test_an_empty_link_ends_a_list(running: Running) -> None:
    running.emulator.store.seed(60)
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=""))
    (page,) = await pages(running)
    assert page.next_page_token == ""


@pytest.mark.parametrize("length", [1, 2, 5])
async def test_a_list_that_leads_in_a_circle_ends_with_a_failure(
    running: Running, length: int
) -> None:
    """Each link in the circle is followed once."""
    running.emulator.store.seed(10)
    links = [f"{running.emulator.endpoint}/rooms?{QUERY}&round={n}" for n in range(length)]
    for link in [*links, *links]:
        running.emulator.faults.add(Fault(operation="ListRooms", next_link=link))
    seen, failed = await until_failure(running)
    assert (failed.code, failed.reason) == UNREADABLE
    assert len(seen) == running.requests() == length + 1


async def test_a_circle_is_found_when_a_resumed_list_leads_back_to_its_start(
    running: Running,
) -> None:
    running.emulator.store.seed(10)
    link = f"{running.emulator.endpoint}/rooms?{QUERY}&round=0"
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=link, count=None))
    token = page_tokens.encode(f"{QUERY}&round=0", "ListRooms")
    failed = await failure_of(pages(running, token))
    assert (failed.code, failed.reason) == UNREADABLE
    assert running.requests() == 1


# Tokens that are not ours.


async def test_a_token_of_another_list_or_room_is_refused_and_nothing_is_sent() -> None:
    async with Emulator(participants_page_size=2) as emulator, gateway_before(emulator) as running:
        one, two = emulator.store.seed(31, participants=3)[:2]
        rooms = (await pages(running))[0].next_page_token
        people = (await roster_pages(running, one))[0].next_page_token
        assert rooms
        assert people
        emulator.journal.clear()
        for call in (
            pages(running, people),
            roster_pages(running, two, people),
            roster_pages(running, one, rooms),
            roster_pages(running, "ListRooms", rooms),
            roster_pages(running, one + "0", people),
        ):
            failed = await failure_of(call)
            assert (failed.code, failed.reason) == TOKEN_INVALID
            assert list(failed.violations) == ["page_token"]
        assert running.requests() == 0


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "AAAA",
        "=",
        "==",
        " ",
        "é",
        "日本",
        "\0",
        "http://127.0.0.1/rooms",
        "../../etc/passwd",
        "x" * 100_000,
        "é" * 100_000,
    ],
)
async def test_a_text_that_is_no_token_is_refused_and_nothing_is_sent(
    running: Running, token: str
) -> None:
    for call in (pages(running, token), roster_pages(running, "994", token)):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == TOKEN_INVALID
    assert running.requests() == 0


def test_a_token_that_was_damaged_in_any_way_is_refused_and_nothing_is_sent() -> None:
    with gateway_for_examples() as (runner, running):
        running.emulator.store.seed(31)
        token = runner.run(pages(running))[0].next_page_token

        def refused(damaged: str) -> None:
            if damaged in {token, ""}:
                return
            running.emulator.journal.clear()
            failed = runner.run(failure_of(pages(running, damaged)))
            assert (failed.code, failed.reason) == TOKEN_INVALID
            assert running.requests() == 0

        @given(st.integers(0, len(token) - 1), st.characters(codec="utf-8"))
        @settings(max_examples=150, deadline=None)
        def one_character_changed(place: int, character: str) -> None:
            refused(token[:place] + character + token[place + 1 :])

        @given(st.integers(0, len(token)), st.text(max_size=3))
        @settings(max_examples=100, deadline=None)
        def cut_off_or_longer(place: int, text: str) -> None:
            refused(token[:place])
            refused(token[:place] + text + token[place:])
            refused(token + text)

        @given(st.integers(0, len(token) - 1))
        @settings(max_examples=50, deadline=None)
        def case_changed(place: int) -> None:
            refused(token[:place] + token[place].swapcase() + token[place + 1 :])

        one_character_changed()
        cut_off_or_longer()
        case_changed()
        assert len(runner.run(pages(running, token))) == 1
