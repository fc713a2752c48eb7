"""LegacyRoomsService: participants, natively and translated, and how strict it is."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import ROLE_ATTENDEE, ROLE_CONSUMER, ROLE_PRESENTER, Participant
from google.rpc.error_details_pb2 import ResourceInfo
from support.gateways import failure_of
from support.legacy_gateway import BOTH, NATIVE, STABLE, Legacy, person
from support.samples import communication_user, user

from rooms_emulator import Fault


@pytest.mark.proves("legacy-change-participants")
@BOTH
async def test_people_are_added_changed_and_removed(legacy: Legacy) -> None:
    room_id = await legacy.make(person(1))
    added = [Participant(identifier=communication_user(user(2)), role=ROLE_PRESENTER)]
    await legacy.stub.AddParticipants(
        pb.AddParticipantsRequest(room_id=room_id, participants=[*added, person(3)])
    )
    await legacy.stub.UpdateParticipants(
        pb.UpdateParticipantsRequest(
            room_id=room_id, participants=[Participant(raw_id=user(1), role=ROLE_CONSUMER)]
        )
    )
    await legacy.stub.RemoveParticipants(
        pb.RemoveParticipantsRequest(
            room_id=room_id,
            raw_ids=[user(3), user(4)],
            identifiers=[communication_user(user(5))],
        )
    )
    found = await legacy.stub.GetParticipants(pb.GetParticipantsRequest(room_id=room_id))
    assert list(found.participants) == [person(1, ROLE_CONSUMER), person(2, ROLE_PRESENTER)]


@pytest.mark.proves("legacy-add-participants")
@BOTH
async def test_adding_somebody_who_is_there_names_whom_and_adds_nobody(legacy: Legacy) -> None:
    room_id = await legacy.make(person(1, ROLE_PRESENTER), person(2))
    people = [person(3), person(2), person(4), person(1)]
    failed = await failure_of(
        legacy.stub.AddParticipants(pb.AddParticipantsRequest(room_id=room_id, participants=people))
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "ALREADY_PARTICIPANT",
    )
    assert failed.violations == dict.fromkeys(
        ("participants[1]", "participants[3]"), "is in the room already"
    )
    assert user(1) not in str(failed.status)
    assert legacy.roster(room_id) == [
        (user(1), ROLE_PRESENTER),
        (user(2), ROLE_ATTENDEE),
    ]


@pytest.mark.proves("legacy-update-participants")
@BOTH
async def test_changing_somebody_who_is_not_there_names_whom_and_changes_nobody(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make(person(1, ROLE_PRESENTER))
    people = [person(1), person(2)]
    failed = await failure_of(
        legacy.stub.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=room_id, participants=people)
        )
    )
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_A_PARTICIPANT")
    assert failed.violations == {"participants[1]": "is not in the room"}
    assert failed.detail(ResourceInfo) is None
    assert legacy.roster(room_id) == [(user(1), ROLE_PRESENTER)]


async def test_a_translated_check_that_fails_sends_nothing_but_the_read(legacy: Legacy) -> None:
    room_id = await legacy.make(person(1))
    await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=[person(1)])
        )
    )
    assert legacy.sent == ["ListParticipants"]


@pytest.mark.parametrize("version", [NATIVE])
async def test_a_native_refusal_for_another_reason_stays_the_service_s(legacy: Legacy) -> None:
    room_id = await legacy.make(person(1))
    failed = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(
                room_id=room_id, participants=[Participant(raw_id="wrong_mri")]
            )
        )
    )
    assert (failed.code, failed.metadata["serviceErrorCode"]) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "InvalidInput",
    )


@pytest.mark.parametrize("version", [NATIVE])
async def test_a_native_refusal_is_passed_on_when_the_roster_cannot_be_read(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make(person(1))
    legacy.running.emulator.faults.add(Fault(operation="GetParticipants", status=403))
    failed = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=[person(1)])
        )
    )
    assert (failed.reason, failed.metadata["serviceErrorCode"]) == (
        "SERVICE_REJECTED_REQUEST",
        "InvalidInput",
    )


@pytest.mark.parametrize(
    ("version", "change"), [(NATIVE, "AddParticipants"), (STABLE, "UpdateParticipants")]
)
async def test_adding_is_sent_once_even_when_its_answer_is_lost(
    legacy: Legacy, change: str
) -> None:
    room_id = await legacy.make()
    legacy.running.emulator.faults.add(Fault(operation=change, drop="after", count=1))
    failed = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=[person(1)])
        )
    )
    assert (failed.code, legacy.sent.count(change)) == (grpc.StatusCode.UNAVAILABLE, 1)
    assert legacy.roster(room_id) == [(user(1), ROLE_ATTENDEE)]


async def test_the_read_before_a_translated_add_is_repeated_when_it_fails(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make()
    legacy.running.emulator.faults.add(Fault(operation="ListParticipants", status=503, count=1))
    await legacy.stub.AddParticipants(
        pb.AddParticipantsRequest(room_id=room_id, participants=[person(1)])
    )
    assert legacy.sent == ["ListParticipants", "ListParticipants", "UpdateParticipants"]


@pytest.mark.parametrize(
    ("version", "operation", "body"),
    [
        (NATIVE, "GetParticipants", '{"participants":[%s]}'),
        (STABLE, "ListParticipants", '{"value":[%s]}'),
    ],
)
async def test_a_roster_that_does_not_fit_into_one_message_is_refused(
    legacy: Legacy, operation: str, body: str
) -> None:
    room_id = await legacy.make()
    one = f'{{"rawId":"{"x" * 1000}","role":"Attendee"'
    one += ',"communicationIdentifier":{"rawId":"' + "x" * 1000 + '"}}'
    roster = body % ",".join([one] * 3500)
    legacy.running.emulator.faults.add(Fault(operation=operation, body=roster))
    failed = await failure_of(
        legacy.stub.GetParticipants(pb.GetParticipantsRequest(room_id=room_id))
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ROSTER_TOO_LARGE",
    )
