"""Parity of the gateway with Microsoft's Python client, on the same emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from acs.rooms.v1 import identifiers_pb2
from acs.rooms.v1 import participants_pb2 as participants_pb
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
from support.microsoft_sdks import IGNORE_DEPRECATIONS
from support.samples import user
from support.sdk_identifiers import from_python

from rooms_emulator import DEVELOPMENT_KEY
from rooms_gateway.services.convert import timestamps

pytestmark = IGNORE_DEPRECATIONS

ROLES = {
    ParticipantRole.PRESENTER: participants_pb.PARTICIPANT_ROLE_PRESENTER,
    ParticipantRole.ATTENDEE: participants_pb.PARTICIPANT_ROLE_ATTENDEE,
    ParticipantRole.CONSUMER: participants_pb.PARTICIPANT_ROLE_CONSUMER,
    ParticipantRole.COLLABORATOR: participants_pb.PARTICIPANT_ROLE_COLLABORATOR,
}
RAW_IDS = [user(number) for number in range(len(ROLES))]


@pytest.fixture
async def sdk(running: Running) -> AsyncIterator[RoomsClient]:
    # The api-version is plain text: the default of the client breaks its links to page two.
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


def typed(identifier: CommunicationIdentifier) -> identifiers_pb2.CommunicationIdentifier:
    parsed = from_python(identifier)
    assert not isinstance(parsed, str)
    return parsed


def as_participants(participants: Sequence[RoomParticipant]) -> list[participants_pb.Participant]:
    return [
        participants_pb.Participant(
            raw_id=participant.communication_identifier.raw_id,
            role=ROLES[ParticipantRole(participant.role)],
            identifier=typed(participant.communication_identifier),
        )
        for participant in participants
    ]


async def listed(running: Running, room_id: str) -> list[participants_pb.Participant]:
    request = participants_pb.ListParticipantsRequest(room_id=room_id)
    pages = [page async for page in running.participants.ListParticipants(request)]
    return [participant for page in pages for participant in page.participants]


async def room_with_every_role(sdk: RoomsClient) -> str:
    participants = [
        RoomParticipant(communication_identifier=sdk_user(text), role=role)
        for text, role in zip(RAW_IDS, ROLES, strict=True)
    ]
    return str((await sdk.create_room(participants=participants)).id)


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
        participants=[participants_pb.Participant(raw_id=RAW_IDS[0])],
    )
    made = (await running.rooms.CreateRoom(request)).room
    assert as_message(await sdk.get_room(made.id)) == made
    assert (made.valid_from, made.valid_until) == (request.valid_from, request.valid_until)
    assert made.pstn_dial_out_enabled
    participants = [participant async for participant in sdk.list_participants(made.id)]
    assert [participant.communication_identifier.raw_id for participant in participants] == [
        RAW_IDS[0]
    ]


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
        "ERROR_REASON_ROOM_NOT_FOUND"
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
    room_id = await room_with_every_role(sdk)
    participants = [participant async for participant in sdk.list_participants(room_id)]
    assert await listed(running, room_id) == as_participants(participants)
    assert len(participants) == len(ROLES)


@pytest.mark.proves("parity-upsert-participants")
async def test_upsert_participants_in_every_role(running: Running, sdk: RoomsClient) -> None:
    """Participants that are upserted over gRPC are the same in the SDK."""
    room_id = await room_with_every_role(sdk)
    participants = [
        participants_pb.Participant(raw_id=text, role=role)
        for text, role in zip(RAW_IDS, reversed(ROLES.values()), strict=True)
    ]
    await running.participants.UpsertParticipants(
        participants_pb.UpsertParticipantsRequest(room_id=room_id, participants=participants)
    )
    by_sdk = as_participants([participant async for participant in sdk.list_participants(room_id)])
    assert [(participant.raw_id, participant.role) for participant in by_sdk] == [
        (participant.raw_id, participant.role) for participant in participants
    ]


@pytest.mark.proves("parity-remove-participants")
async def test_remove_participants(running: Running, sdk: RoomsClient) -> None:
    """The SDK does not list participants that are removed over gRPC."""
    room_id = await room_with_every_role(sdk)
    gone = [sdk_user(RAW_IDS[0]), sdk_user(RAW_IDS[2])]
    await running.participants.RemoveParticipants(
        participants_pb.RemoveParticipantsRequest(
            room_id=room_id,
            remove_raw_ids=[gone[0].raw_id],
            remove_identifiers=[typed(gone[1])],
        )
    )
    left = [participant async for participant in sdk.list_participants(room_id)]
    assert [participant.communication_identifier.raw_id for participant in left] == [
        RAW_IDS[1],
        RAW_IDS[3],
    ]
