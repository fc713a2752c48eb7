"""Roles: sent and listed by their names, also those that the contract does not know."""

from __future__ import annotations

import json

import pytest
from acs.rooms.v1.participants_pb2 import (
    ROLE_ATTENDEE,
    ROLE_COLLABORATOR,
    ROLE_CONSUMER,
    ROLE_PRESENTER,
    ROLE_UNSPECIFIED,
    Participant,
    Role,
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
        (ROLE_PRESENTER, "Presenter"),
        (ROLE_ATTENDEE, "Attendee"),
        (ROLE_CONSUMER, "Consumer"),
        (ROLE_COLLABORATOR, "Collaborator"),
    ],
)
async def test_every_role_of_the_contract_is_sent_by_its_name_and_listed_again(
    running: Running, role: Role.ValueType, name: str
) -> None:
    room_id = await room_with(running)
    await upsert(running, room_id, Participant(raw_id=A, role=role))
    assert running.sent() == {"participants": {A: {"role": name}}}
    assert running.last().headers["Content-Type"] == "application/merge-patch+json"
    assert await roster(running, room_id) == [Participant(raw_id=A, role=role)]


async def test_a_role_left_unset_is_not_sent_and_makes_an_attendee_even_of_a_presenter(
    running: Running,
) -> None:
    room_id = await room_with(running, presenter(A), Participant(raw_id=B))
    assert running.sent()["participants"][B] == {}
    await upsert(running, room_id, Participant(raw_id=A))
    assert running.sent() == {"participants": {A: {}}}
    assert await roster(running, room_id) == [attendee(A), attendee(B)]


@pytest.mark.parametrize("text", ["Producer", "presenter", "ATTENDEE", "Rôle 角色", "x" * 64])
async def test_a_role_that_the_contract_does_not_know_is_listed_by_its_name(
    running: Running, text: str
) -> None:
    value = [{"rawId": A, "role": "Presenter"}, {"rawId": B, "role": text}]
    body = json.dumps({"value": value})
    running.emulator.faults.add(Fault(operation="ListParticipants", status=200, body=body))
    people = await roster(running, UNKNOWN_ROOM)
    assert people == [
        presenter(A),
        Participant(raw_id=B, role=ROLE_UNSPECIFIED, unrecognized_role=text),
    ]


@pytest.mark.parametrize("text", ["Producer", "Rôle 角色", "x" * 64])
async def test_a_role_that_the_contract_does_not_know_is_sent_back_as_it_was_listed(
    running: Running, text: str
) -> None:
    running.emulator.faults.add(Fault(operation="UpdateParticipants", status=200, body="{}"))
    await upsert(running, UNKNOWN_ROOM, Participant(raw_id=A, unrecognized_role=text))
    assert running.sent() == {"participants": {A: {"role": text}}}


@pytest.mark.parametrize(
    ("field", "request_type"),
    [("participants", UpsertParticipantsRequest), ("upsert", UpdateParticipantsRequest)],
)
async def test_a_role_that_the_service_refuses_is_blamed_on_the_person_who_has_it(
    running: Running,
    field: str,
    request_type: type[UpsertParticipantsRequest | UpdateParticipantsRequest],
) -> None:
    room_id = await room_with(running, attendee(A))
    request = request_type(room_id=room_id)
    people = [presenter(A), presenter(C), Participant(raw_id=B, unrecognized_role="Kafka")]
    getattr(request, field).extend(people)
    if isinstance(request, UpdateParticipantsRequest):
        failed = await failure_of(running.participants.UpdateParticipants(request))
    else:
        failed = await failure_of(running.participants.UpsertParticipants(request))
    assert (failed.code, failed.reason) == REJECTED
    assert list(failed.violations) == [f"{field}[2].role"]
    assert "valid roles" in failed.violations[f"{field}[2].role"]
    assert await roster(running, room_id) == [attendee(A)]


async def test_a_role_that_the_service_refuses_in_a_create_is_blamed_on_the_person_too(
    running: Running,
) -> None:
    failed = await failure_of(
        room_with(running, presenter(A), Participant(raw_id=B, unrecognized_role="Kafka"))
    )
    assert (failed.code, failed.reason) == REJECTED
    assert list(failed.violations) == ["participants[1].role"]


async def test_a_role_given_twice_over_is_refused_by_index_and_nothing_is_sent(
    running: Running,
) -> None:
    both = Participant(raw_id=B, role=ROLE_PRESENTER, unrecognized_role="Producer")
    update = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, upsert=[attendee(A), both])
    for call, field in (
        (upsert(running, UNKNOWN_ROOM, both), "participants[0].unrecognized_role"),
        (room_with(running, attendee(A), both), "participants[1].unrecognized_role"),
        (running.participants.UpdateParticipants(update), "upsert[1].unrecognized_role"),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == INVALID
        assert list(failed.violations) == [field]
    assert running.requests() == 0
