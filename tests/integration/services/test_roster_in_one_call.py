from __future__ import annotations

import json

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
)
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest as ListRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from support.gateways import Running, failure_of, gateway_for
from support.samples import user

from rooms_emulator import Emulator, Fault


async def listed(running: Running, room_id: str) -> list[Participant]:
    pages = running.participants.ListParticipants(ListRequest(room_id=room_id))
    return [participant async for page in pages for participant in page.participants]


async def test_the_roster_is_omitted_by_default(running: Running) -> None:
    participants = [Participant(raw_id=user(1))]
    created = await running.rooms.CreateRoom(CreateRoomRequest(participants=participants))
    read = await running.rooms.GetRoom(GetRoomRequest(room_id=created.room.id))
    assert not created.participants
    assert not read.participants
    assert running.requests("ListParticipants") == 0


async def test_create_returns_the_roster_as_listed(
    running: Running,
) -> None:
    participants = [
        Participant(raw_id=user(1), role=PARTICIPANT_ROLE_PRESENTER),
        Participant(raw_id=user(2)),
        Participant(raw_id=user(3), unrecognized_role="Consumer"),
    ]
    created = await running.rooms.CreateRoom(
        CreateRoomRequest(participants=participants, include_participants=True)
    )
    assert [participant.role for participant in created.participants][:2] == [
        PARTICIPANT_ROLE_PRESENTER,
        PARTICIPANT_ROLE_ATTENDEE,
    ]
    assert list(created.participants) == await listed(running, created.room.id)
    assert running.requests("CreateRoom") == 1


@pytest.mark.parametrize("count", [0, 1, 350])
async def test_get_returns_all_pages_of_the_roster(count: int) -> None:
    async with (
        Emulator(participants_page_size=100) as emulator,
        gateway_for(emulator) as running,
    ):
        participants = [Participant(raw_id=user(number)) for number in range(count)]
        room = (await running.rooms.CreateRoom(CreateRoomRequest(participants=participants))).room
        read = await running.rooms.GetRoom(
            GetRoomRequest(room_id=room.id, include_participants=True)
        )
        assert read.room == room
        assert [participant.raw_id for participant in read.participants] == [
            p.raw_id for p in participants
        ]


async def test_get_with_roster_of_an_unknown_room(running: Running) -> None:
    failed = await failure_of(
        running.rooms.GetRoom(
            GetRoomRequest(room_id="99400000000000000", include_participants=True)
        )
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "ERROR_REASON_ROOM_NOT_FOUND",
    )


async def test_a_roster_over_one_message_is_rejected(
    running: Running,
) -> None:
    """The error names the RPC that streams it."""
    room = (await running.rooms.CreateRoom(CreateRoomRequest())).room
    participant = {"rawId": "x" * 250, "role": "Attendee"}
    body = json.dumps({"value": [participant] * 15_000})
    running.emulator.faults.add(Fault(operation="ListParticipants", body=body, count=None))
    failed = await failure_of(
        running.rooms.GetRoom(GetRoomRequest(room_id=room.id, include_participants=True))
    )
    assert failed.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failed.reason == "ERROR_REASON_ROSTER_TOO_LARGE"
    assert "acs.rooms.v1.ParticipantsService/ListParticipants" in failed.message
