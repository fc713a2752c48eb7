"""Microsoft's unmodified Python client, azure-communication-rooms, against the emulator."""

from __future__ import annotations

from datetime import datetime

import pytest
from azure.communication.rooms import CommunicationUserIdentifier, ParticipantRole
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from support.microsoft_sdks import (
    IGNORE_DEPRECATIONS,
    KINDS,
    Sdk,
    connected,
    in_days,
    participant,
    problem,
    roster,
)
from support.samples import user

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault, timestamps
from rooms_emulator.rooms import versions

pytestmark = IGNORE_DEPRECATIONS


def ticks(moment: datetime) -> int:
    return timestamps.parse(moment.isoformat())


@KINDS
async def test_rooms_walk(kind: type[Sdk], emulator: Emulator) -> None:
    """Create, get, update, participants and delete work as the client documents them."""
    async with connected(kind, emulator) as sdk:
        start, end = in_days(1), in_days(2)
        room = await sdk(
            "create_room",
            valid_from=start,
            valid_until=end,
            pstn_dial_out_enabled=True,
            participants=[participant(1, ParticipantRole.PRESENTER), participant(2)],
        )
        assert timestamps.parse(room.valid_from) == ticks(start)
        assert timestamps.parse(room.valid_until) == ticks(end)
        assert room.pstn_dial_out_enabled is True
        got = await sdk("get_room", room.id)
        assert vars(got) == vars(room)
        assert await roster(sdk, room.id) == [(user(1), "Presenter"), (user(2), "Attendee")]

        later = in_days(3)
        moved = await sdk("update_room", room_id=room.id, valid_from=start, valid_until=later)
        assert timestamps.parse(moved.valid_until) == ticks(later)
        assert (moved.created_at, moved.pstn_dial_out_enabled) == (room.created_at, True)
        silent = await sdk("update_room", room_id=room.id, pstn_dial_out_enabled=False)
        assert (silent.valid_until, silent.pstn_dial_out_enabled) == (moved.valid_until, False)

        changed = [participant(1, "Consumer"), participant(3, "Collaborator")]
        await sdk("add_or_update_participants", room_id=room.id, participants=changed)
        gone = [CommunicationUserIdentifier(user(2)), CommunicationUserIdentifier(user(9))]
        await sdk("remove_participants", room_id=room.id, participants=gone)
        assert await roster(sdk, room.id) == [(user(1), "Consumer"), (user(3), "Collaborator")]
        await sdk("remove_participants", room_id=room.id, participants=changed)
        assert await roster(sdk, room.id) == []

        await sdk("delete_room", room.id)
        with pytest.raises(ResourceNotFoundError):
            await sdk("get_room", room.id)
        assert await sdk.pages("list_rooms") == [[]]


@KINDS
async def test_nulls_select_the_defaults(kind: type[Sdk], emulator: Emulator) -> None:
    """The client sends null for omitted arguments."""
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
        assert room.pstn_dial_out_enabled is False
        assert vars(await sdk("update_room", room_id=room.id)) == vars(room)
        await sdk("add_or_update_participants", room_id=room.id, participants=[])


@KINDS
async def test_lists_with_short_and_empty_pages(kind: type[Sdk], emulator: Emulator) -> None:
    store = emulator.store
    expected = store.seed(40) + store.seed(2)
    store.seed(62, deleted=True)
    expected += store.seed(61, participants=9)
    async with connected(kind, emulator) as sdk:
        pages = await sdk.pages("list_rooms")
        assert [len(page) for page in pages] == [30, 30, 1, 0, 27, 15]
        assert [room.id for page in pages for room in page] == expected[::-1]
        assert len(await roster(sdk, expected[-1])) == 9


@pytest.mark.parametrize("version", list(versions.VERSIONS)[1:])
@KINDS
async def test_each_version_works(kind: type[Sdk], emulator: Emulator, version: str) -> None:
    """Except the first, which lacks a member that the client requires."""
    async with connected(kind, emulator, version=version) as sdk:
        room = await sdk("create_room")
        assert (await sdk("get_room", room.id)).id == room.id


@KINDS
async def test_the_default_version_fails_on_page_two(kind: type[Sdk], emulator: Emulator) -> None:
    """Defect of client 1.2.0: the link contains the name of an enum member."""
    emulator.store.seed(31)
    sdk = kind(emulator.endpoint, DEVELOPMENT_KEY)
    with pytest.raises(HttpResponseError) as rejected:
        await sdk.pages("list_rooms")
    await sdk.close()
    assert (rejected.value.status_code, problem(rejected.value).code) == (
        400,
        "UnsupportedApiVersion",
    )
    first, second = emulator.journal
    assert (first.status, second.status) == (200, 400)
    assert "api-version=ApiVersion.V2025_03_13" in second.target


@KINDS
async def test_a_retried_create_makes_one_room(kind: type[Sdk], emulator: Emulator) -> None:
    """The client keeps its Repeatability-Request-ID in all attempts."""
    emulator.faults.add(Fault(operation="CreateRoom", status=429, headers={"Retry-After": "0"}))
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
    first, second = emulator.journal
    assert [first.status, second.status] == [429, 201]
    name = "Repeatability-Request-ID"
    assert first.headers[name] == second.headers[name]
    assert emulator.store.rooms_page().items == [emulator.store.get(room.id)]
