from __future__ import annotations

import json

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    ROLE_ATTENDEE,
    ROLE_COLLABORATOR,
    ROLE_CONSUMER,
    ROLE_PRESENTER,
    ROLE_UNSPECIFIED,
    ListParticipantsRequest,
    Participant,
    RemoveParticipantsRequest,
    Role,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.rpc.error_details_pb2 import ResourceInfo
from running import Failed, Running, by_raw_id, collect, failure_of, user

from gateway.emulator.faults import Fault

UNKNOWN_ROOM = "99400000000000000"
A, B, C, D = map(user, range(4))


async def room_with(running: Running, *people: Participant) -> str:
    response = await running.rooms.CreateRoom(CreateRoomRequest(participants=people))
    return response.room.id


async def roster(running: Running, room_id: str) -> list[Participant]:
    request = ListParticipantsRequest(room_id=room_id)
    pages = await collect(running.participants.ListParticipants(request))
    return by_raw_id(pages)


async def upsert(running: Running, room_id: str, *people: Participant) -> None:
    request = UpsertParticipantsRequest(room_id=room_id, participants=people)
    await running.participants.UpsertParticipants(request)


async def remove(running: Running, room_id: str, *raw_ids: str) -> None:
    request = RemoveParticipantsRequest(room_id=room_id, raw_ids=raw_ids)
    await running.participants.RemoveParticipants(request)


def presenter(raw_id: str) -> Participant:
    return Participant(raw_id=raw_id, role=ROLE_PRESENTER)


def attendee(raw_id: str) -> Participant:
    return Participant(raw_id=raw_id, role=ROLE_ATTENDEE)


def rejected(failed: Failed) -> bool:
    return (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SERVICE_REJECTED_REQUEST",
    )


def invalid(failed: Failed) -> bool:
    return (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_INVALID",
    )


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


async def test_an_upsert_keeps_the_place_of_those_who_are_there_and_appends_the_others(
    running: Running,
) -> None:
    room_id = await room_with(running, attendee(A), attendee(B))
    await upsert(running, room_id, presenter(C), presenter(A))
    assert await roster(running, room_id) == [presenter(A), attendee(B), presenter(C)]


async def test_a_removal_sends_null_and_leaves_the_others(running: Running) -> None:
    room_id = await room_with(running, attendee(A), attendee(B), attendee(C))
    await remove(running, room_id, A, C)
    assert running.sent() == {"participants": {A: None, C: None}}
    assert await roster(running, room_id) == [attendee(B)]


async def test_the_removal_of_somebody_who_is_not_on_the_roster_is_no_error(
    running: Running,
) -> None:
    room_id = await room_with(running, attendee(A))
    await remove(running, room_id, B)
    assert await roster(running, room_id) == [attendee(A)]


async def test_an_update_adds_changes_and_removes_in_one_request(running: Running) -> None:
    room_id = await room_with(running, attendee(A), attendee(B))
    await running.participants.UpdateParticipants(
        UpdateParticipantsRequest(room_id=room_id, upsert=[presenter(C), presenter(A)], remove=[B])
    )
    assert running.requests("UpdateParticipants") == 1
    assert running.sent() == {
        "participants": {C: {"role": "Presenter"}, A: {"role": "Presenter"}, B: None}
    }
    assert await roster(running, room_id) == [presenter(A), presenter(C)]


@pytest.mark.parametrize("which", ["upsert", "remove"])
async def test_an_update_may_do_only_one_of_the_two(running: Running, which: str) -> None:
    room_id = await room_with(running, attendee(A))
    request = UpdateParticipantsRequest(room_id=room_id)
    if which == "upsert":
        request.upsert.append(presenter(A))
    else:
        request.remove.append(A)
    await running.participants.UpdateParticipants(request)
    assert await roster(running, room_id) == ([presenter(A)] if which == "upsert" else [])


@pytest.mark.parametrize("count", [1, 350])
async def test_a_roster_of_any_allowed_size_can_be_put_listed_and_taken_off(
    running: Running, count: int
) -> None:
    room_id = await room_with(running)
    people = [attendee(user(number)) for number in range(count)]
    await upsert(running, room_id, *people)
    assert await roster(running, room_id) == people
    await remove(running, room_id, *(person.raw_id for person in people))
    assert await roster(running, room_id) == []


async def test_an_update_may_name_350_to_add_and_350_others_to_remove(running: Running) -> None:
    old = [attendee(user(number)) for number in range(350)]
    new = [presenter(user(1000 + number)) for number in range(350)]
    room_id = await room_with(running, *old)
    removed = [person.raw_id for person in old]
    await running.participants.UpdateParticipants(
        UpdateParticipantsRequest(room_id=room_id, upsert=new, remove=removed)
    )
    assert await roster(running, room_id) == new


async def test_the_service_refuses_the_351st_person_and_changes_nobody(running: Running) -> None:
    people = [attendee(user(number)) for number in range(350)]
    room_id = await room_with(running, *people)
    failed = await failure_of(upsert(running, room_id, presenter(user(0)), attendee(user(350))))
    assert rejected(failed)
    assert await roster(running, room_id) == people


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
    assert rejected(failed)
    assert list(failed.violations) == [f"{field}[2].role"]
    assert "valid roles" in failed.violations[f"{field}[2].role"]
    assert await roster(running, room_id) == [attendee(A)]


async def test_a_role_that_the_service_refuses_in_a_create_is_blamed_on_the_person_too(
    running: Running,
) -> None:
    failed = await failure_of(
        room_with(running, presenter(A), Participant(raw_id=B, unrecognized_role="Kafka"))
    )
    assert rejected(failed)
    assert list(failed.violations) == ["participants[1].role"]


async def test_an_identifier_that_the_service_refuses_changes_nobody(running: Running) -> None:
    room_id = await room_with(running, attendee(A))
    for call, field in (
        (upsert(running, room_id, presenter(A), attendee("wrong_mri")), "participants[1].raw_id"),
        (remove(running, room_id, A, "wrong_mri"), "raw_ids[1]"),
    ):
        failed = await failure_of(call)
        assert rejected(failed)
        assert list(failed.violations) == [field]
        assert field in failed.message
        assert b"wrong_mri" not in failed.status.SerializeToString()
    assert await roster(running, room_id) == [attendee(A)]


@pytest.mark.parametrize(
    ("upserted", "removed", "blamed"),
    [
        ([A, A], [], ["upsert[1].raw_id"]),
        ([A, B, A, B, A], [], ["upsert[2].raw_id", "upsert[3].raw_id", "upsert[4].raw_id"]),
        ([], [A, B, B], ["remove[2]"]),
        ([A, B], [C, B], ["remove[1]"]),
        ([A, A], [A], ["upsert[1].raw_id", "remove[0]"]),
    ],
)
async def test_somebody_named_twice_in_an_update_is_refused_by_index_and_nothing_is_sent(
    running: Running, upserted: list[str], removed: list[str], blamed: list[str]
) -> None:
    request = UpdateParticipantsRequest(
        room_id=UNKNOWN_ROOM, upsert=map(presenter, upserted), remove=removed
    )
    failed = await failure_of(running.participants.UpdateParticipants(request))
    assert invalid(failed)
    assert list(failed.violations) == blamed
    assert running.requests() == 0


async def test_somebody_named_twice_is_refused_in_every_request_that_names_people(
    running: Running,
) -> None:
    for call, field in (
        (upsert(running, UNKNOWN_ROOM, attendee(A), presenter(A)), "participants[1].raw_id"),
        (remove(running, UNKNOWN_ROOM, B, A, B), "raw_ids[2]"),
        (room_with(running, attendee(A), attendee(A)), "participants[1].raw_id"),
    ):
        failed = await failure_of(call)
        assert invalid(failed)
        assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_raw_ids_that_differ_in_case_alone_are_two_people(running: Running) -> None:
    other = A.upper().replace("8:ACS", "8:acs")
    room_id = await room_with(running, attendee(A), presenter(other))
    assert await roster(running, room_id) == [attendee(A), presenter(other)]


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
        assert invalid(failed)
        assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_an_update_that_names_nobody_is_refused_and_nothing_is_sent(
    running: Running,
) -> None:
    request = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM)
    failed = await failure_of(running.participants.UpdateParticipants(request))
    assert invalid(failed)
    assert list(failed.violations) == [""]
    assert running.requests() == 0


async def test_every_call_on_the_roster_of_an_unknown_room_is_not_found(running: Running) -> None:
    update = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove=[A])
    for call in (
        upsert(running, UNKNOWN_ROOM, attendee(A)),
        remove(running, UNKNOWN_ROOM, A),
        running.participants.UpdateParticipants(update),
        roster(running, UNKNOWN_ROOM),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
        resource = failed.detail(ResourceInfo)
        assert resource is not None
        assert resource.resource_name == UNKNOWN_ROOM
