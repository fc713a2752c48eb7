"""Who is on a roster after each change, and what is sent for it."""

from __future__ import annotations

import pytest
from acs.rooms.v1.participants_pb2 import UpdateParticipantsRequest
from google.rpc.error_details_pb2 import ResourceInfo
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, remove, room_with, roster, upsert
from support.samples import NOT_FOUND, REJECTED, A, B, C, user


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
    assert (failed.code, failed.reason) == REJECTED
    assert await roster(running, room_id) == people


async def test_raw_ids_that_differ_in_case_alone_are_two_people(running: Running) -> None:
    other = A.upper().replace("8:ACS", "8:acs")
    room_id = await room_with(running, attendee(A), presenter(other))
    assert await roster(running, room_id) == [attendee(A), presenter(other)]


async def test_every_call_on_the_roster_of_an_unknown_room_is_not_found(running: Running) -> None:
    update = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove=[A])
    for call in (
        upsert(running, UNKNOWN_ROOM, attendee(A)),
        remove(running, UNKNOWN_ROOM, A),
        running.participants.UpdateParticipants(update),
        roster(running, UNKNOWN_ROOM),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == NOT_FOUND
        resource = failed.detail(ResourceInfo)
        assert resource is not None
        assert resource.resource_name == UNKNOWN_ROOM
