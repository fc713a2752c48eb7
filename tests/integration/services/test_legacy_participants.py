"""LegacyRoomsService: participants, and strict additions and changes."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_CONSUMER,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
)
from google.rpc.error_details_pb2 import ResourceInfo
from support.gateways import failure_of
from support.legacy_gateway import Legacy, participant
from support.samples import communication_user, user

from rooms_emulator import Fault


@pytest.mark.proves("legacy-change-participants")
async def test_add_update_and_remove_participants(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1))
    added = [Participant(identifier=communication_user(user(2)), role=PARTICIPANT_ROLE_PRESENTER)]
    await legacy.stub.AddParticipants(
        pb.AddParticipantsRequest(room_id=room_id, participants=[*added, participant(3)])
    )
    await legacy.stub.UpdateParticipants(
        pb.UpdateParticipantsRequest(
            room_id=room_id,
            participants=[Participant(raw_id=user(1), role=PARTICIPANT_ROLE_CONSUMER)],
        )
    )
    await legacy.stub.RemoveParticipants(
        pb.RemoveParticipantsRequest(
            room_id=room_id,
            remove_raw_ids=[user(3), user(4)],
            remove_identifiers=[communication_user(user(5))],
        )
    )
    found = await legacy.stub.GetParticipants(pb.GetParticipantsRequest(room_id=room_id))
    assert list(found.participants) == [
        participant(1, PARTICIPANT_ROLE_CONSUMER),
        participant(2, PARTICIPANT_ROLE_PRESENTER),
    ]


@pytest.mark.proves("legacy-add-participants")
async def test_adding_a_present_participant_adds_none(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1, PARTICIPANT_ROLE_PRESENTER), participant(2))
    participants = [participant(3), participant(2), participant(4), participant(1)]
    failed = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=participants)
        )
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "ERROR_REASON_ALREADY_PARTICIPANT",
    )
    assert failed.violations == dict.fromkeys(
        ("participants[1]", "participants[3]"), "is in the room already"
    )
    assert user(1) not in str(failed.status)
    assert legacy.roster(room_id) == [
        (user(1), PARTICIPANT_ROLE_PRESENTER),
        (user(2), PARTICIPANT_ROLE_ATTENDEE),
    ]


@pytest.mark.proves("legacy-update-participants")
async def test_changing_an_absent_one_changes_none(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make(participant(1, PARTICIPANT_ROLE_PRESENTER))
    participants = [participant(1), participant(2)]
    failed = await failure_of(
        legacy.stub.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=room_id, participants=participants)
        )
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "ERROR_REASON_NOT_A_PARTICIPANT",
    )
    assert failed.violations == {"participants[1]": "is not in the room"}
    assert failed.detail(ResourceInfo) is None
    assert legacy.roster(room_id) == [(user(1), PARTICIPANT_ROLE_PRESENTER)]


async def test_a_failed_check_sends_only_the_read(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1))
    await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=[participant(1)])
        )
    )
    assert legacy.sent == ["ListParticipants"]


async def test_an_add_is_not_retried(legacy: Legacy) -> None:
    """A lost response leaves the change made, so a retry would find the participant present."""
    room_id = await legacy.make()
    legacy.running.emulator.faults.add(Fault(operation="UpdateParticipants", drop="after", count=1))
    failed = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=[participant(1)])
        )
    )
    assert failed.code == grpc.StatusCode.UNAVAILABLE
    assert legacy.sent.count("UpdateParticipants") == 1
    assert legacy.roster(room_id) == [(user(1), PARTICIPANT_ROLE_ATTENDEE)]


async def test_the_read_before_an_add_is_retried(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make()
    legacy.running.emulator.faults.add(Fault(operation="ListParticipants", status=503, count=1))
    await legacy.stub.AddParticipants(
        pb.AddParticipantsRequest(room_id=room_id, participants=[participant(1)])
    )
    assert legacy.sent == ["ListParticipants", "ListParticipants", "UpdateParticipants"]


async def test_a_roster_over_one_message_is_rejected(legacy: Legacy) -> None:
    room_id = await legacy.make()
    one = f'{{"rawId":"{"x" * 2000}","role":"Attendee"}}'
    roster = f'{{"value":[{",".join([one] * 2000)}]}}'
    legacy.running.emulator.faults.add(Fault(operation="ListParticipants", body=roster))
    failed = await failure_of(
        legacy.stub.GetParticipants(pb.GetParticipantsRequest(room_id=room_id))
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ERROR_REASON_ROSTER_TOO_LARGE",
    )
