from __future__ import annotations

import json

import pytest
from acs.rooms.v1 import identifiers_pb2
from acs.rooms.v1 import participants_pb2 as pb
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import room_with
from support.samples import ALICE, BOB, CAROL, DAVE, A, B, C, D, communication_user, unknown

from rooms_emulator.faults.model import Fault
from rooms_gateway.services.convert.identifiers import from_raw_id

GUID = "45ab2481-1c1c-4005-be24-0ffb879b1130"


async def listed(running: Running, room_id: str = UNKNOWN_ROOM) -> list[pb.Participant]:
    request = pb.ListParticipantsRequest(room_id=room_id)
    pages = [page async for page in running.participants.ListParticipants(request)]
    return [participant for page in pages for participant in page.participants]


def on_roster(text: str, role: pb.ParticipantRole.ValueType) -> pb.Participant:
    return pb.Participant(raw_id=text, identifier=communication_user(text), role=role)


ROSTER = [
    on_roster(A, pb.PARTICIPANT_ROLE_PRESENTER),
    on_roster(B, pb.PARTICIPANT_ROLE_CONSUMER),
    on_roster(C, pb.PARTICIPANT_ROLE_ATTENDEE),
    on_roster(D, pb.PARTICIPANT_ROLE_ATTENDEE),
]


@pytest.mark.proves("identifier-upsert")
async def test_upsert_accepts_either_form(running: Running) -> None:
    """Lists return both forms."""
    room_id = await room_with(running)
    await running.participants.UpsertParticipants(
        pb.UpsertParticipantsRequest(room_id=room_id, participants=[ALICE, BOB, CAROL, DAVE])
    )
    assert await listed(running, room_id) == ROSTER


@pytest.mark.proves("identifier-create")
async def test_create_accepts_either_form(running: Running) -> None:
    room_id = await room_with(running, ALICE, BOB, CAROL, DAVE)
    assert await listed(running, room_id) == ROSTER


@pytest.mark.proves("identifier-update")
async def test_update_accepts_either_form(running: Running) -> None:
    """Both for the upsert and for the removal."""
    room_id = await room_with(running, ALICE, BOB, CAROL)
    await running.participants.UpdateParticipants(
        pb.UpdateParticipantsRequest(
            room_id=room_id,
            participants=[
                pb.Participant(identifier=communication_user(A), role=pb.PARTICIPANT_ROLE_CONSUMER),
                DAVE,
            ],
            remove_raw_ids=[B],
            remove_identifiers=[communication_user(C)],
        )
    )
    assert await listed(running, room_id) == [on_roster(A, pb.PARTICIPANT_ROLE_CONSUMER), ROSTER[3]]


@pytest.mark.proves("identifier-remove")
@pytest.mark.parametrize(
    ("raw_ids", "identifiers"),
    [
        ([A, B], []),
        ([], [communication_user(A), unknown(B)]),
        ([B], [communication_user(A)]),
        ([A, D], [communication_user(B)]),
    ],
)
async def test_remove_accepts_either_form(
    running: Running, raw_ids: list[str], identifiers: list[identifiers_pb2.CommunicationIdentifier]
) -> None:
    room_id = await room_with(running, ALICE, BOB, CAROL)
    await running.participants.RemoveParticipants(
        pb.RemoveParticipantsRequest(
            room_id=room_id, remove_raw_ids=raw_ids, remove_identifiers=identifiers
        )
    )
    assert await listed(running, room_id) == [ROSTER[2]]


async def test_both_forms_send_the_same_request(running: Running) -> None:
    for participant in (
        ALICE,
        pb.Participant(identifier=communication_user(A), role=pb.PARTICIPANT_ROLE_PRESENTER),
    ):
        await failure_of(
            running.participants.UpsertParticipants(
                pb.UpsertParticipantsRequest(room_id=UNKNOWN_ROOM, participants=[participant])
            )
        )
    by_raw_id, by_identifier = (entry.body for entry in running.emulator.journal)
    assert json.loads(by_raw_id) == {"participants": {A: {"role": "Presenter"}}}
    assert by_identifier == by_raw_id


@pytest.mark.proves("identifier-list")
async def test_listed_participants_can_be_sent_back(
    running: Running,
) -> None:
    """Lists return both forms of identifiers of any kind."""
    raw_ids = [
        A, "4:+14255550123", f"8:orgid:{GUID}", f"8:dod:{GUID}", f"8:gcch:{GUID}",
        f"8:teamsvisitor:{GUID}", f"28:orgid:{GUID}", f"28:dod:{GUID}", f"28:gcch:{GUID}",
        f"28:{GUID}", "8:acs:a_b_c", "4:", "x",
    ]  # fmt: skip
    page = json.dumps({"value": [{"rawId": each, "role": "Attendee"} for each in raw_ids]})
    faults = running.emulator.faults
    faults.add(Fault(operation="ListParticipants", status=200, body=page))
    participants = await listed(running)
    assert [participant.raw_id for participant in participants] == raw_ids
    assert [participant.identifier for participant in participants] == [
        from_raw_id(each) for each in raw_ids
    ]

    faults.add(Fault(operation="UpdateParticipants", status=200, body="{}"))
    await running.participants.UpsertParticipants(
        pb.UpsertParticipantsRequest(room_id=UNKNOWN_ROOM, participants=participants)
    )
    (*_, last) = running.emulator.journal
    assert list(json.loads(last.body)["participants"]) == raw_ids


async def test_a_rejected_role_names_the_field(
    running: Running,
) -> None:
    """Also for a participant that is named by identifier."""
    room_id = await room_with(running)
    odd = pb.Participant(identifier=communication_user(B), unrecognized_role="Producer")
    failed = await failure_of(
        running.participants.UpsertParticipants(
            pb.UpsertParticipantsRequest(room_id=room_id, participants=[ALICE, odd])
        )
    )
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert list(failed.violations) == ["participants[1].role"]
