from __future__ import annotations

from collections.abc import Sequence

import grpc
import pytest
from acs.rooms.v1 import identifiers_pb2
from acs.rooms.v1 import participants_pb2 as pb
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.gateways import UNKNOWN_ROOM, Failed, Running, failure_of
from support.samples import (
    ALICE,
    BOB,
    CAROL,
    A,
    B,
    C,
    D,
    communication_user,
    phone_number,
    teams_app,
    teams_user,
    unknown,
)

from rooms_gateway.services.convert.error_targets import FieldLocator
from rooms_gateway.services.convert.identifiers import MAX_LENGTH

GUID = "45ab2481-1c1c-4005-be24-0ffb879b1130"


def is_invalid(failed: Failed, *fields: str) -> bool:
    return (failed.code, failed.reason, tuple(failed.violations)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "ERROR_REASON_REQUEST_INVALID",
        fields,
    )


INVALID: list[tuple[pb.Participant, str]] = [
    (pb.Participant(), "raw_id"),
    (pb.Participant(identifier=identifiers_pb2.CommunicationIdentifier()), "identifier.kind"),
    (pb.Participant(raw_id=A, identifier=communication_user(B)), "identifier"),
    (pb.Participant(raw_id=A.upper(), identifier=unknown(A)), "identifier"),
    (pb.Participant(raw_id=GUID, identifier=teams_user(GUID)), "identifier"),
    (
        pb.Participant(identifier=communication_user("wrong_mri")),
        "identifier.communication_user.id",
    ),
    (pb.Participant(identifier=phone_number("")), "identifier.phone_number.value"),
    (pb.Participant(identifier=phone_number("1" * 255)), "identifier.phone_number.value"),
    (pb.Participant(identifier=teams_user("")), "identifier.microsoft_teams_user.user_id"),
    (
        pb.Participant(identifier=teams_user(GUID, "gcch", is_anonymous=True)),
        "identifier.microsoft_teams_user.cloud",
    ),
    (pb.Participant(identifier=teams_user("x" * 242, is_anonymous=True)), "identifier"),
    (pb.Participant(identifier=teams_user("x" * 249)), "identifier"),
    (pb.Participant(identifier=teams_app("x" * 248)), "identifier"),
    (pb.Participant(identifier=communication_user("8:acs:a_b_c")), "identifier"),
    (pb.Participant(identifier=teams_user("a:b")), "identifier"),
    (pb.Participant(identifier=teams_app("a:b")), "identifier"),
]


@pytest.mark.parametrize(("participant", "path"), INVALID)
async def test_invalid_identifiers_are_rejected_unsent(
    running: Running, participant: pb.Participant, path: str
) -> None:
    participants = [ALICE, BOB, CAROL, participant]
    for call in (
        running.rooms.CreateRoom(CreateRoomRequest(participants=participants)),
        running.participants.UpsertParticipants(
            pb.UpsertParticipantsRequest(room_id=UNKNOWN_ROOM, participants=participants)
        ),
        running.participants.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, participants=participants)
        ),
    ):
        assert is_invalid(await failure_of(call), f"participants[3].{path}")
    assert list(running.emulator.journal) == []


@pytest.mark.parametrize(
    ("participant", "path"),
    [(participant, path) for participant, path in INVALID if not participant.raw_id][1:],
)
async def test_removal_rejects_invalid_identifiers(
    running: Running, participant: pb.Participant, path: str
) -> None:
    identifiers = [communication_user(A), participant.identifier]
    below = path.removeprefix("identifier")
    for call in (
        running.participants.RemoveParticipants(
            pb.RemoveParticipantsRequest(room_id=UNKNOWN_ROOM, remove_identifiers=identifiers)
        ),
        running.participants.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove_identifiers=identifiers)
        ),
    ):
        assert is_invalid(await failure_of(call), f"remove_identifiers[1]{below}")
    assert list(running.emulator.journal) == []


@pytest.mark.parametrize(
    "identifier",
    [
        teams_user("x" * (MAX_LENGTH - len("8:orgid:"))),
        teams_user("x" * (MAX_LENGTH - len("8:dod:")), "dod"),
        phone_number("1" * (MAX_LENGTH - len("4:"))),
        unknown("x" * MAX_LENGTH),
        teams_user(GUID, "public", is_anonymous=True),
    ],
)
async def test_valid_identifiers_are_sent(
    running: Running, identifier: identifiers_pb2.CommunicationIdentifier
) -> None:
    """The upstream rejects kinds that it does not support."""
    created = await running.rooms.CreateRoom(CreateRoomRequest())
    call = running.participants.RemoveParticipants(
        pb.RemoveParticipantsRequest(room_id=created.room.id, remove_identifiers=[identifier])
    )
    assert (await failure_of(call)).reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert running.requests("UpdateParticipants") == 1


@pytest.mark.parametrize(
    ("upsert", "remove", "identifiers", "violations"),
    [
        (
            [ALICE, pb.Participant(identifier=communication_user(A))],
            [],
            [],
            ["participants[1].identifier"],
        ),
        ([BOB, pb.Participant(raw_id=B)], [], [], ["participants[1].raw_id"]),
        (
            [CAROL, pb.Participant(raw_id=C, identifier=communication_user(C))],
            [],
            [],
            ["participants[1].raw_id"],
        ),
        ([BOB], [B], [communication_user(B)], ["remove_raw_ids[0]", "remove_identifiers[0]"]),
        ([], [A, B], [communication_user(C), unknown(B)], ["remove_identifiers[1]"]),
        (
            [],
            [],
            [communication_user(A), communication_user(B), unknown(A)],
            ["remove_identifiers[2]"],
        ),
    ],
)
async def test_duplicates_in_either_form_are_rejected(
    running: Running,
    upsert: list[pb.Participant],
    remove: list[str],
    identifiers: Sequence[identifiers_pb2.CommunicationIdentifier],
    violations: list[str],
) -> None:
    """The violations name the indexes, and nothing is sent."""
    request = pb.UpdateParticipantsRequest(
        room_id=UNKNOWN_ROOM,
        participants=upsert,
        remove_raw_ids=remove,
        remove_identifiers=identifiers,
    )
    assert is_invalid(
        await failure_of(running.participants.UpdateParticipants(request)), *violations
    )
    assert list(running.emulator.journal) == []


@pytest.mark.parametrize(
    ("raw_id", "field"),
    [
        (A, "participants[0].raw_id"),
        (B, "participants[1].identifier"),
        (C, "participants[2].raw_id"),
        ("8:orgid:x", "remove_identifiers[0]"),
        ("4:+1", "remove_raw_ids[0]"),
        (D, ""),
    ],
)
def test_error_targets_are_located_in_either_form(raw_id: str, field: str) -> None:
    request = pb.UpdateParticipantsRequest(
        participants=[ALICE, BOB, CAROL],
        remove_raw_ids=["4:+1"],
        remove_identifiers=[teams_user("x")],
    )
    assert FieldLocator(request).field_of(f"$.participants.{raw_id}") == field
    assert FieldLocator(request).field_of(f"$.participants['{raw_id}']") == field
