"""Microsoft's Python client and the gateway side by side, before the same emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from acs.rooms.v1 import participants_pb2 as people_pb
from acs.rooms.v1 import rooms_pb2 as pb
from azure.communication.rooms import (
    CommunicationIdentifier,
    CommunicationRoom,
    CommunicationUserIdentifier,
    ParticipantRole,
    RoomParticipant,
)
from azure.communication.rooms.aio import RoomsClient
from azure.core.credentials import AzureKeyCredential
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, failure_of
from support.microsoft_sdks import CALLS_WHAT_IS_DEPRECATED
from support.samples import user
from support.sdk_identifiers import from_python

from rooms_emulator import DEVELOPMENT_KEY
from rooms_gateway.services.convert import timestamps

pytestmark = CALLS_WHAT_IS_DEPRECATED

ROLES = {
    ParticipantRole.PRESENTER: people_pb.ROLE_PRESENTER,
    ParticipantRole.ATTENDEE: people_pb.ROLE_ATTENDEE,
    ParticipantRole.CONSUMER: people_pb.ROLE_CONSUMER,
    ParticipantRole.COLLABORATOR: people_pb.ROLE_COLLABORATOR,
}
PEOPLE = [user(number) for number in range(len(ROLES))]


@pytest.fixture
async def sdk(running: Running) -> AsyncIterator[RoomsClient]:
    # The version as plain text, because the client's own does not survive its way into page two.
    key = AzureKeyCredential(DEVELOPMENT_KEY)
    async with RoomsClient(running.emulator.endpoint, key, api_version="2025-03-13") as client:
        yield client


def timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def soon(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def as_message(room: CommunicationRoom) -> pb.Room:
    return pb.Room(
        id=room.id,
        created_at=timestamps.from_rest(str(room.created_at)),
        valid_from=timestamps.from_rest(str(room.valid_from)),
        valid_until=timestamps.from_rest(str(room.valid_until)),
        pstn_dial_out_enabled=room.pstn_dial_out_enabled,
    )


def sdk_user(text: str) -> CommunicationUserIdentifier:
    return CommunicationUserIdentifier(text)


def typed(identifier: CommunicationIdentifier) -> people_pb.CommunicationIdentifier:
    said = from_python(identifier)
    assert not isinstance(said, str)
    return said


def as_people(people: Sequence[RoomParticipant]) -> list[people_pb.Participant]:
    return [
        people_pb.Participant(
            raw_id=person.communication_identifier.raw_id,
            role=ROLES[ParticipantRole(person.role)],
            identifier=typed(person.communication_identifier),
        )
        for person in people
    ]


async def listed(running: Running, room_id: str) -> list[people_pb.Participant]:
    request = people_pb.ListParticipantsRequest(room_id=room_id)
    pages = [page async for page in running.participants.ListParticipants(request)]
    return [person for page in pages for person in page.participants]


async def room_with_everybody(sdk: RoomsClient) -> str:
    people = [
        RoomParticipant(communication_identifier=sdk_user(text), role=role)
        for text, role in zip(PEOPLE, ROLES, strict=True)
    ]
    return str((await sdk.create_room(participants=people)).id)


@pytest.mark.proves("parity-get-room")
async def test_get_room(running: Running, sdk: RoomsClient) -> None:
    """A room that the SDK creates is the same over gRPC."""
    made = await sdk.create_room(
        valid_from=soon(1), valid_until=soon(2), pstn_dial_out_enabled=True
    )
    read = await running.rooms.GetRoom(pb.GetRoomRequest(room_id=str(made.id)))
    assert read.room == as_message(made)


@pytest.mark.proves("parity-create-room")
async def test_create_room(running: Running, sdk: RoomsClient) -> None:
    """A room that is created over gRPC is the same in the SDK."""
    request = pb.CreateRoomRequest(
        valid_from=timestamp(soon(1)),
        valid_until=timestamp(soon(2)),
        pstn_dial_out_enabled=True,
        participants=[people_pb.Participant(raw_id=PEOPLE[0])],
    )
    made = (await running.rooms.CreateRoom(request)).room
    assert as_message(await sdk.get_room(made.id)) == made
    assert (made.valid_from, made.valid_until) == (request.valid_from, request.valid_until)
    assert made.pstn_dial_out_enabled
    people = [person async for person in sdk.list_participants(made.id)]
    assert [person.communication_identifier.raw_id for person in people] == [PEOPLE[0]]


@pytest.mark.proves("parity-update-room")
async def test_update_room(running: Running, sdk: RoomsClient) -> None:
    """A room that is updated over gRPC is the same in the SDK."""
    room_id = str((await sdk.create_room()).id)
    request = pb.UpdateRoomRequest(
        room_id=room_id,
        valid_from=timestamp(soon(3)),
        valid_until=timestamp(soon(4)),
        pstn_dial_out_enabled=True,
    )
    updated = (await running.rooms.UpdateRoom(request)).room
    assert as_message(await sdk.get_room(room_id)) == updated
    assert (updated.valid_from, updated.valid_until) == (request.valid_from, request.valid_until)
    assert updated.pstn_dial_out_enabled


@pytest.mark.proves("parity-delete-room")
async def test_delete_room(running: Running, sdk: RoomsClient) -> None:
    """The SDK does not list a room that is deleted over gRPC."""
    room_id = str((await sdk.create_room()).id)
    await running.rooms.DeleteRoom(pb.DeleteRoomRequest(room_id=room_id))
    assert [room async for room in sdk.list_rooms()] == []
    assert (await failure_of(running.rooms.GetRoom(pb.GetRoomRequest(room_id=room_id)))).reason == (
        "ROOM_NOT_FOUND"
    )


@pytest.mark.proves("parity-list-rooms")
async def test_list_rooms_over_several_pages(running: Running, sdk: RoomsClient) -> None:
    running.emulator.store.seed(70)
    by_sdk = [as_message(room) async for room in sdk.list_rooms()]
    pages = [page async for page in running.rooms.ListRooms(pb.ListRoomsRequest())]
    assert [room for page in pages for room in page.rooms] == by_sdk
    assert (len(by_sdk), len(pages) > 1) == (70, True)


@pytest.mark.proves("parity-list-participants")
async def test_list_participants_in_every_role(running: Running, sdk: RoomsClient) -> None:
    room_id = await room_with_everybody(sdk)
    people = [person async for person in sdk.list_participants(room_id)]
    assert await listed(running, room_id) == as_people(people)
    assert len(people) == len(ROLES)


@pytest.mark.proves("parity-upsert-participants")
async def test_upsert_participants_in_every_role(running: Running, sdk: RoomsClient) -> None:
    """Participants that are upserted over gRPC are the same in the SDK."""
    room_id = await room_with_everybody(sdk)
    people = [
        people_pb.Participant(raw_id=text, role=role)
        for text, role in zip(PEOPLE, reversed(ROLES.values()), strict=True)
    ]
    await running.participants.UpsertParticipants(
        people_pb.UpsertParticipantsRequest(room_id=room_id, participants=people)
    )
    by_sdk = as_people([person async for person in sdk.list_participants(room_id)])
    assert [(person.raw_id, person.role) for person in by_sdk] == [
        (person.raw_id, person.role) for person in people
    ]


@pytest.mark.proves("parity-remove-participants")
async def test_remove_participants(running: Running, sdk: RoomsClient) -> None:
    """The SDK does not list participants that are removed over gRPC."""
    room_id = await room_with_everybody(sdk)
    gone = [sdk_user(PEOPLE[0]), sdk_user(PEOPLE[2])]
    await running.participants.RemoveParticipants(
        people_pb.RemoveParticipantsRequest(
            room_id=room_id,
            raw_ids=[gone[0].raw_id],
            identifiers=[typed(gone[1])],
        )
    )
    left = [person async for person in sdk.list_participants(room_id)]
    assert [person.communication_identifier.raw_id for person in left] == [PEOPLE[1], PEOPLE[3]]
