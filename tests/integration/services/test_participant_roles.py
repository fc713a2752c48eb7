"""Participant roles: sent and listed by their names, unrecognized ones included."""

from __future__ import annotations

import json

import pytest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_COLLABORATOR,
    PARTICIPANT_ROLE_CONSUMER,
    PARTICIPANT_ROLE_PRESENTER,
    PARTICIPANT_ROLE_UNSPECIFIED,
    Participant,
    ParticipantRole,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, room_with, roster, upsert
from support.samples import INVALID, REJECTED, A, B, C

from rooms_emulator.faults.model import Fault


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (PARTICIPANT_ROLE_PRESENTER, "Presenter"),
        (PARTICIPANT_ROLE_ATTENDEE, "Attendee"),
        (PARTICIPANT_ROLE_CONSUMER, "Consumer"),
        (PARTICIPANT_ROLE_COLLABORATOR, "Collaborator"),
    ],
)
async def test_known_roles_are_sent_and_listed_by_name(
    running: Running, role: ParticipantRole.ValueType, name: str
) -> None:
    room_id = await room_with(running)
    await upsert(running, room_id, Participant(raw_id=A, role=role))
    assert running.sent() == {"participants": {A: {"role": name}}}
    assert running.last().headers["Content-Type"] == "application/merge-patch+json"
    assert await roster(running, room_id) == [Participant(raw_id=A, role=role)]


async def test_unset_role_is_omitted_and_means_attendee(
    running: Running,
) -> None:
    """An upsert without a role turns even a presenter into an attendee."""
    room_id = await room_with(running, presenter(A), Participant(raw_id=B))
    assert running.sent()["participants"][B] == {}
    await upsert(running, room_id, Participant(raw_id=A))
    assert running.sent() == {"participants": {A: {}}}
    assert await roster(running, room_id) == [attendee(A), attendee(B)]


@pytest.mark.parametrize("text", ["Producer", "presenter", "ATTENDEE", "Rôle 角色", "x" * 64])
async def test_unrecognized_role_is_listed_by_name(running: Running, text: str) -> None:
    value = [{"rawId": A, "role": "Presenter"}, {"rawId": B, "role": text}]
    body = json.dumps({"value": value})
    running.emulator.faults.add(Fault(operation="ListParticipants", status=200, body=body))
    participants = await roster(running, UNKNOWN_ROOM)
    assert participants == [
        presenter(A),
        Participant(raw_id=B, role=PARTICIPANT_ROLE_UNSPECIFIED, unrecognized_role=text),
    ]


@pytest.mark.parametrize("text", ["Producer", "Rôle 角色", "x" * 64])
async def test_unrecognized_role_is_sent_as_listed(running: Running, text: str) -> None:
    running.emulator.faults.add(Fault(operation="UpdateParticipants", status=200, body="{}"))
    await upsert(running, UNKNOWN_ROOM, Participant(raw_id=A, unrecognized_role=text))
    assert running.sent() == {"participants": {A: {"role": text}}}


@pytest.mark.parametrize("request_type", [UpsertParticipantsRequest, UpdateParticipantsRequest])
async def test_rejected_role_names_its_participant(
    running: Running,
    request_type: type[UpsertParticipantsRequest | UpdateParticipantsRequest],
) -> None:
    room_id = await room_with(running, attendee(A))
    request = request_type(room_id=room_id)
    participants = [presenter(A), presenter(C), Participant(raw_id=B, unrecognized_role="Kafka")]
    request.participants.extend(participants)
    if isinstance(request, UpdateParticipantsRequest):
        failed = await failure_of(running.participants.UpdateParticipants(request))
    else:
        failed = await failure_of(running.participants.UpsertParticipants(request))
    assert (failed.code, failed.reason) == REJECTED
    assert list(failed.violations) == ["participants[2].role"]
    assert "valid roles" in failed.violations["participants[2].role"]
    assert await roster(running, room_id) == [attendee(A)]


async def test_rejected_role_in_create_names_its_index(
    running: Running,
) -> None:
    failed = await failure_of(
        room_with(running, presenter(A), Participant(raw_id=B, unrecognized_role="Kafka"))
    )
    assert (failed.code, failed.reason) == REJECTED
    assert list(failed.violations) == ["participants[1].role"]


async def test_role_and_unrecognized_role_are_exclusive(
    running: Running,
) -> None:
    """A participant with both is rejected by its index, and no request is sent."""
    both = Participant(raw_id=B, role=PARTICIPANT_ROLE_PRESENTER, unrecognized_role="Producer")
    update = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, participants=[attendee(A), both])
    for call, field in (
        (upsert(running, UNKNOWN_ROOM, both), "participants[0].unrecognized_role"),
        (room_with(running, attendee(A), both), "participants[1].unrecognized_role"),
        (running.participants.UpdateParticipants(update), "participants[1].unrecognized_role"),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == INVALID
        assert list(failed.violations) == [field]
    assert running.requests() == 0
