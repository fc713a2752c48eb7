"""The Rooms quickstart from its first step, with Microsoft's unmodified Python clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
from azure.communication.identity import (
    CommunicationIdentityClient,
    CommunicationTokenScope,
    CommunicationUserIdentifier,
)
from azure.communication.identity.aio import (
    CommunicationIdentityClient as AsyncCommunicationIdentityClient,
)
from azure.communication.rooms import (
    CommunicationIdentifier,
    CommunicationRoom,
    ParticipantRole,
    RoomParticipant,
    RoomsClient,
)
from azure.communication.rooms.aio import RoomsClient as AsyncRoomsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from support.microsoft_sdks import IGNORE_DEPRECATIONS, in_days
from support.signed_requests import VERSION

from rooms_emulator import DEVELOPMENT_KEY, Emulator, timestamps

pytestmark = IGNORE_DEPRECATIONS

KEY = AzureKeyCredential(DEVELOPMENT_KEY)
PRESENTER, ATTENDEE = ParticipantRole.PRESENTER, ParticipantRole.ATTENDEE
WALK = [
    "CreateIdentity",
    "CreateIdentity",
    "CreateRoom",
    "GetRoom",
    "UpdateRoom",
    "ListRooms",
    "UpdateParticipants",
    "ListParticipants",
    "UpdateParticipants",
    "ListParticipants",
    "DeleteRoom",
    "GetRoom",
]


def until(room: CommunicationRoom) -> int:
    """Return the end of a room in ticks; the client returns it as a string."""
    return timestamps.parse(str(room.valid_until))


def rooms_user(user: CommunicationUserIdentifier) -> CommunicationIdentifier:
    """Return a user of one client as the type of the other, unchanged."""
    # Each package has its own copy of the class, so they are different types for mypy.
    return cast("CommunicationIdentifier", user)


def roster(participants: list[RoomParticipant]) -> list[tuple[str, str]]:
    return [(each.communication_identifier.raw_id, str(each.role)) for each in participants]


def walk(endpoint: str) -> None:
    """Follow the quickstart step by step, and check each response."""
    identities = CommunicationIdentityClient(endpoint, KEY)
    rooms = RoomsClient(endpoint, KEY, api_version=VERSION)
    with rooms:
        first, second = identities.create_user(), identities.create_user()
        presenter = RoomParticipant(communication_identifier=rooms_user(first), role=PRESENTER)
        room = rooms.create_room(
            valid_from=in_days(0), valid_until=in_days(10), participants=[presenter]
        )
        assert rooms.get_room(room.id) == room

        later = in_days(30)
        updated = rooms.update_room(room_id=room.id, valid_from=in_days(0), valid_until=later)
        assert until(updated) == timestamps.parse(later.isoformat())
        assert [listed.id for listed in rooms.list_rooms()] == [room.id]

        attendee = RoomParticipant(communication_identifier=rooms_user(second), role=ATTENDEE)
        rooms.add_or_update_participants(room_id=room.id, participants=[attendee])
        assert roster(list(rooms.list_participants(room.id))) == [
            (first.raw_id, "Presenter"),
            (second.raw_id, "Attendee"),
        ]
        rooms.remove_participants(room_id=room.id, participants=[rooms_user(first)])
        assert roster(list(rooms.list_participants(room.id))) == [(second.raw_id, "Attendee")]

        rooms.delete_room(room.id)
        with pytest.raises(ResourceNotFoundError):
            rooms.get_room(room.id)


async def test_quickstart(emulator: Emulator) -> None:
    await asyncio.to_thread(walk, emulator.endpoint)
    assert [entry.operation for entry in emulator.journal] == WALK
    assert len(emulator.store) == 0


@pytest.fixture
async def identities(emulator: Emulator) -> AsyncIterator[AsyncCommunicationIdentityClient]:
    async with AsyncCommunicationIdentityClient(emulator.endpoint, KEY) as client:
        yield client


@pytest.fixture
async def rooms(emulator: Emulator) -> AsyncIterator[AsyncRoomsClient]:
    async with AsyncRoomsClient(emulator.endpoint, KEY, api_version=VERSION) as client:
        yield client


async def test_quickstart_aio(
    emulator: Emulator, identities: AsyncCommunicationIdentityClient, rooms: AsyncRoomsClient
) -> None:
    first, second = await identities.create_user(), await identities.create_user()
    presenter = RoomParticipant(communication_identifier=rooms_user(first), role=PRESENTER)
    room = await rooms.create_room(
        valid_from=in_days(0), valid_until=in_days(10), participants=[presenter]
    )
    assert await rooms.get_room(room.id) == room

    later = in_days(30)
    updated = await rooms.update_room(room_id=room.id, valid_from=in_days(0), valid_until=later)
    assert until(updated) == timestamps.parse(later.isoformat())
    assert [listed.id async for listed in rooms.list_rooms()] == [room.id]

    attendee = RoomParticipant(communication_identifier=rooms_user(second), role=ATTENDEE)
    await rooms.add_or_update_participants(room_id=room.id, participants=[attendee])
    both = [each async for each in rooms.list_participants(room.id)]
    assert roster(both) == [(first.raw_id, "Presenter"), (second.raw_id, "Attendee")]
    await rooms.remove_participants(room_id=room.id, participants=[rooms_user(first)])
    assert roster([each async for each in rooms.list_participants(room.id)]) == [
        (second.raw_id, "Attendee")
    ]

    await rooms.delete_room(room.id)
    with pytest.raises(ResourceNotFoundError):
        await rooms.get_room(room.id)
    assert [entry.operation for entry in emulator.journal] == WALK


def use_tokens(endpoint: str) -> list[str]:
    """Create, issue, revoke and delete; return the expiry of each token."""
    client = CommunicationIdentityClient(endpoint, KEY)
    scopes = [CommunicationTokenScope.CHAT, CommunicationTokenScope.VOIP]
    user, first = client.create_user_and_token(scopes, token_expires_in=timedelta(hours=1))
    client.revoke_tokens(user)
    second = client.get_token(user, [CommunicationTokenScope.VOIP_JOIN])
    client.delete_user(user)
    with pytest.raises(ResourceNotFoundError) as gone:
        client.get_token(user, scopes)
    assert gone.value.error is not None
    assert gone.value.error.code == "IdentityNotFound"
    with pytest.raises(HttpResponseError) as short:
        client.create_user_and_token(scopes, token_expires_in=timedelta(minutes=59))
    assert short.value.error is not None
    assert (short.value.error.code, short.value.error.target) == (
        "ValidationError",
        "ExpiresInMinutes",
    )
    return [str(first.expires_on), str(second.expires_on)]


async def test_identity_client(emulator: Emulator) -> None:
    emulator.clock.freeze()
    expiries = await asyncio.to_thread(use_tokens, emulator.endpoint)
    hour = 3600 * timestamps.TICKS_PER_SECOND
    now = emulator.clock.now()
    assert expiries == [timestamps.render(now + hour), timestamps.render(now + 24 * hour)]
    assert len(emulator.identities) == 0


async def test_identity_client_aio(
    emulator: Emulator, identities: AsyncCommunicationIdentityClient
) -> None:
    user, token = await identities.create_user_and_token([CommunicationTokenScope.CHAT])
    await identities.revoke_tokens(user)
    assert (await identities.get_token(user, [CommunicationTokenScope.CHAT])).token
    assert token.token.count(".") == 2
    await identities.delete_user(user)
    with pytest.raises(ResourceNotFoundError):
        await identities.revoke_tokens(user)
    assert len(emulator.identities) == 0
