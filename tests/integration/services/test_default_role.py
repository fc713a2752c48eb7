"""`--default-role`: the roles that the Rooms service receives, and dry runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as legacy_pb
from acs.rooms.v1 import join_pb2, participants_pb2
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_CONSUMER, Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.protobuf.descriptor import Descriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from support.gateways import Running, gateway_for
from support.room_creates import call
from support.rosters import create, presenter, roster
from support.samples import user

from rooms_emulator import Emulator
from rooms_gateway.server.assembly import LEGACY_SERVICE, SERVICES
from rooms_gateway.services.join import JoinServicer
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.rooms import RoomsServicer

BARE, NAMED = Participant(raw_id=user(1)), presenter(user(2))

Request = Callable[[str], Message]

# Of the id of a room that has the participant that NAMED names.
WITH_PARTICIPANTS: dict[str, Request] = {
    "acs.rooms.v1.RoomsService.CreateRoom": lambda _: CreateRoomRequest(participants=[BARE, NAMED]),
    "acs.rooms.v1.ParticipantsService.UpsertParticipants": lambda room: (
        participants_pb2.UpsertParticipantsRequest(room_id=room, participants=[BARE, NAMED])
    ),
    "acs.rooms.v1.ParticipantsService.UpdateParticipants": lambda room: (
        participants_pb2.UpdateParticipantsRequest(
            room_id=room, participants=[BARE, NAMED], remove_raw_ids=[user(4)]
        )
    ),
    "acs.rooms.v1.ParticipantsService.SyncParticipants": lambda room: (
        participants_pb2.SyncParticipantsRequest(room_id=room, participants=[BARE, NAMED])
    ),
    "acs.rooms.v1.JoinService.CreateRoomWithGuests": lambda _: join_pb2.CreateRoomWithGuestsRequest(
        participants=[BARE, NAMED],
        guests=[join_pb2.Guest(new_user=Empty()), join_pb2.Guest(raw_id=NAMED.raw_id)],
    ),
    "acs.rooms.v1.JoinService.AdmitParticipants": lambda room: join_pb2.AdmitParticipantsRequest(
        room_id=room,
        guests=[join_pb2.Guest(new_user=Empty()), join_pb2.Guest(raw_id=NAMED.raw_id)],
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.CreateRoom": lambda _: legacy_pb.CreateRoomRequest(
        participants=[BARE, NAMED]
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.UpdateRoom": lambda room: legacy_pb.UpdateRoomRequest(
        room_id=room, roster=legacy_pb.Roster(participants=[BARE, NAMED])
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.AddParticipants": lambda room: (
        legacy_pb.AddParticipantsRequest(room_id=room, participants=[BARE])
    ),
    "acs.rooms.legacy.v1.LegacyRoomsService.UpdateParticipants": lambda room: (
        legacy_pb.UpdateParticipantsRequest(
            room_id=room, participants=[Participant(raw_id=NAMED.raw_id)]
        )
    ),
}
SERVICERS = (RoomsServicer, ParticipantsServicer, JoinServicer, LegacyRoomsServicer)


def has_participants(message: Descriptor) -> bool:
    """Return whether a request names participants, with roles, in a field of any depth."""
    return any(
        field.message_type is not None
        and (
            field.message_type.full_name in {"acs.rooms.v1.Participant", "acs.rooms.v1.Guest"}
            or has_participants(field.message_type)
        )
        for field in message.fields
    )


def test_every_rpc_that_adds_participants_has_a_row() -> None:
    served = {name for servicer in SERVICERS for name in vars(servicer)}
    assert set(WITH_PARTICIPANTS) == {
        method.full_name
        for service in (*SERVICES, LEGACY_SERVICE)
        for method in service.methods
        # The items of bulk streams are those of CreateRoom.
        if not method.client_streaming
        if method.name in served and has_participants(method.input_type)
    }


def sent_roles(running: Running) -> dict[str, str | None]:
    """Return the roles in all requests that the Rooms service received, by raw id."""
    return {
        raw_id: properties.get("role")
        for entry in running.emulator.journal
        if entry.operation in {"CreateRoom", "UpdateParticipants"}
        for raw_id, properties in json.loads(entry.body)["participants"].items()
        if properties is not None
    }


@pytest.mark.parametrize("role", [None, "presenter", "attendee", "consumer", "collaborator"])
@pytest.mark.parametrize("name", WITH_PARTICIPANTS)
async def test_missing_roles_become_the_default(
    emulator: Emulator, name: str, role: str | None
) -> None:
    """A role that is given stays, and so does that of a guest on the roster."""
    async with gateway_for(emulator, default_role=role, enable_legacy=True) as running:
        room = await create(running, participants=[NAMED])
        emulator.journal.clear()
        await call(running, name, WITH_PARTICIPANTS[name](room.id))
        sent = sent_roles(running)
    if not name.endswith("LegacyRoomsService.UpdateParticipants"):
        assert sent.pop(NAMED.raw_id, "Presenter") == "Presenter"
    # The Rooms service makes a missing role Attendee; some RPCs send it.
    expected = {role.capitalize()} if role else {None, "Attendee"}
    assert sent
    assert set(sent.values()) <= expected


async def test_a_response_has_the_default_role(emulator: Emulator) -> None:
    """Of CreateRoom and of the admission of guests; the roster has it too."""
    async with gateway_for(emulator, default_role="consumer") as running:
        request = CreateRoomRequest(participants=[BARE], include_participants=True)
        created = await running.rooms.CreateRoom(request)
        assert [each.role for each in created.participants] == [PARTICIPANT_ROLE_CONSUMER]
        admitted = await running.join.AdmitParticipants(
            join_pb2.AdmitParticipantsRequest(
                room_id=created.room.id, guests=[join_pb2.Guest(new_user=Empty())]
            )
        )
        (result,) = admitted.results
        assert result.participant.role == PARTICIPANT_ROLE_CONSUMER
        assert result.HasField("access_token")
        people = await roster(running, created.room.id)
        assert {each.role for each in people} == {PARTICIPANT_ROLE_CONSUMER}


async def test_an_unrecognized_role_is_a_role(emulator: Emulator) -> None:
    async with gateway_for(emulator, default_role="consumer") as running:
        request = CreateRoomRequest(
            participants=[Participant(raw_id=user(1), unrecognized_role="Moderator")],
            dry_run=DryRun(show_identifiers=True),
        )
        shown = (await running.rooms.CreateRoom(request)).rest_request
    assert json.loads(shown.body) == {"participants": {user(1): {"role": "Moderator"}}}
    assert list(shown.applied_settings) == []


@pytest.mark.parametrize("name", [name for name in WITH_PARTICIPANTS if "legacy" not in name])
async def test_a_dry_run_shows_the_default_role(emulator: Emulator, name: str) -> None:
    """Only a sync sends a request: it reads the roster."""
    async with gateway_for(emulator, default_role="consumer") as running:
        room = await create(running)
        emulator.journal.clear()
        request: Any = WITH_PARTICIPANTS[name](room.id)
        request.dry_run.show_identifiers = True
        shown = (await call(running, name, request)).rest_request
        sent = [entry.operation for entry in emulator.journal]
        assert sent == (["ListParticipants"] if name.endswith("SyncParticipants") else [])
    roles = [each["role"] for each in json.loads(shown.body)["participants"].values() if each]
    assert "Consumer" in roles
    assert list(shown.applied_settings) == ["default-role=consumer"]
