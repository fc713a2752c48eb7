"""Lists of rooms and participants, page by page."""

from __future__ import annotations

import base64
import json
import re
from random import Random
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import user
from support.signed_requests import Client

from rooms_emulator import Emulator
from rooms_emulator.clock import Clock
from rooms_emulator.problems import ServiceError
from rooms_emulator.rooms import paging
from rooms_emulator.rooms.store import Store


async def test_rooms_are_listed_newest_first(client: Client) -> None:
    rooms = [await client.create() for _ in range(3)]
    page = (await client.call("GET", "/rooms")).json
    assert page == {"value": rooms[::-1]}
    assert sorted(rooms, key=lambda room: str(room["createdAt"])) == rooms


async def test_deleted_rooms_shorten_or_empty_pages(emulator: Emulator, client: Client) -> None:
    """A page is 30 records; those of deleted rooms are removed from it."""
    old = emulator.store.seed(9)
    emulator.store.seed(30, deleted=True)
    new = emulator.store.seed(15)
    emulator.store.seed(21, deleted=True)
    pages = [[room["id"] for room in page["value"]] async for page in client.pages("/rooms")]
    assert [len(page) for page in pages] == [9, 6, 9]
    assert [room for page in pages for room in page] == [*new[::-1], *old[::-1]]
    emulator.reset()
    emulator.store.seed(1)
    emulator.store.seed(60, deleted=True)
    assert [len(page["value"]) async for page in client.pages("/rooms")] == [0, 0, 1]


@pytest.mark.parametrize(("rooms", "pages"), [(0, 1), (1, 1), (30, 1), (31, 2), (90, 3), (91, 4)])
async def test_the_last_page_has_no_link(
    emulator: Emulator, client: Client, rooms: int, pages: int
) -> None:
    emulator.store.seed(rooms)
    assert len([page async for page in client.pages("/rooms")]) == pages


@pytest.mark.parametrize("version", ["2023-06-14", "2025-03-13"])
async def test_links_have_the_host_of_the_request(
    emulator: Emulator, client: Client, version: str
) -> None:
    """Links also have the scheme and version of the request, and a URL-safe token."""
    emulator.store.seed(31)
    for host in (client.signer.host, f"localhost:{client.signer.host.partition(':')[2]}"):
        client.signer.host = host
        response = await client.call("GET", "/rooms", version=version, headers={"Host": host})
        link = response.json["nextLink"]
        pattern = rf"http://{host}/rooms\?nextLink=[A-Za-z0-9_-]+&api-version={version}"
        assert re.fullmatch(pattern, link)


async def test_tokens_are_as_long_as_recorded_ones(emulator: Emulator, client: Client) -> None:
    """Decoded tokens are JSON."""
    emulator.store.seed(31)
    link = (await client.call("GET", "/rooms")).json["nextLink"]
    token = dict(parse_qsl(urlsplit(link).query))["nextLink"]
    assert 715 <= len(token) <= 2752
    (inside,) = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert sorted(inside) == ["range", "token"]


async def test_participants_have_pages(client: Client) -> None:
    room = await client.create(participants={user(number): {} for number in range(10)})
    path = f"/rooms/{room['id']}/participants"
    pages = [[each["rawId"] for each in page["value"]] async for page in client.pages(path)]
    assert pages == [
        [user(number) for number in range(start, min(start + 4, 10))] for start in (0, 4, 8)
    ]


async def test_tokens_are_bound_to_their_list(emulator: Emulator, client: Client) -> None:
    one, other = emulator.store.seed(31, participants=5)[:2]
    responses = [
        (await client.call("GET", path)).json["nextLink"]
        for path in ("/rooms", f"/rooms/{one}/participants")
    ]
    rooms, participants = (link.partition("nextLink=")[2].partition("&")[0] for link in responses)
    for path in (
        f"/rooms?nextLink={participants}",
        f"/rooms/{other}/participants?nextLink={participants}",
    ):
        assert (await client.call("GET", path)).status == 400
    for path in (f"/rooms?nextLink={rooms}", f"/rooms/{one}/participants?nextLink={participants}"):
        assert (await client.call("GET", path)).status == 200


@pytest.mark.parametrize(
    "token", ["", "x", "%20", "e30", "W10", "bnVsbA", "%00", "%C3%A9", "W3t9XQ"]
)
async def test_a_malformed_token_is_400(client: Client, token: str) -> None:
    response = await client.call("GET", f"/rooms?nextLink={token}")
    assert response.status == 400
    assert response.error == {
        "code": "BadRequest",
        "message": "The continuation token is not valid.",
    }


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_foreign_tokens_are_rejected(token: str) -> None:
    with pytest.raises(ServiceError):
        paging.decode("rooms", token)


@given(st.integers(0, 10**15))
def test_tokens_encode_a_position(position: int) -> None:
    assert paging.decode("rooms", paging.encode("rooms", position)) == position


@given(
    before=st.lists(st.booleans(), max_size=120),
    between=st.lists(st.lists(st.integers(-1, 200), max_size=40), max_size=6),
    kept=st.integers(0, 40),
)
def test_changes_between_pages(before: list[bool], between: list[list[int]], kept: int) -> None:
    """Creates (-1) and deletes between two pages neither skip nor repeat another room."""
    store = Store(Clock(lambda: 0), Random(1), deleted_kept=kept)
    ids = [store.seed(1, deleted=deleted)[0] for deleted in before]
    living = [room_id for room_id, deleted in zip(ids, before, strict=True) if not deleted]
    stayed = list(living)
    seen: list[str] = []
    position: int | None = None
    changes = iter(between)
    while True:
        page = store.rooms_page(position)
        seen += [room.id for room in page.items]
        assert len(page.items) <= 30
        for number in next(changes, []):
            if number < 0:
                living += store.seed(1)
            elif number < len(living):
                room_id = living.pop(number)
                store.delete(room_id)
                stayed = [other for other in stayed if other != room_id]
        if page.next is None:
            break
        position = page.next
    assert len(seen) == len(set(seen))
    assert [room_id for room_id in seen if room_id in stayed] == stayed[::-1]
    assert set(seen) <= set(ids)


def test_the_oldest_deleted_rooms_leave_the_pages() -> None:
    store = Store(Clock(lambda: 0), Random(1), deleted_kept=30)
    store.seed(1)
    store.seed(1000, deleted=True)
    first = store.rooms_page()
    assert (first.items, first.next is None) == ([], False)
    assert len(store.rooms_page(first.next).items) == 1
