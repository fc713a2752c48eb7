"""Changes of a roster: the result, and the request sent."""

from __future__ import annotations

import pytest
from acs.rooms.v1.participants_pb2 import UpdateParticipantsRequest
from google.rpc.error_details_pb2 import ResourceInfo
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, remove, room_with, roster, upsert
from support.samples import NOT_FOUND, REJECTED, A, B, C, user


async def test_an_upsert_appends_new_participants(
    running: Running,
) -> None:
    """Present participants keep their position."""
    room_id = await room_with(running, attendee(A), attendee(B))
    await upsert(running, room_id, presenter(C), presenter(A))
    assert await roster(running, room_id) == [presenter(A), attendee(B), presenter(C)]


async def test_a_removal_sends_null(running: Running) -> None:
    """Other participants stay."""
    room_id = await room_with(running, attendee(A), attendee(B), attendee(C))
    await remove(running, room_id, A, C)
    assert running.sent() == {"participants": {A: None, C: None}}
    assert await roster(running, room_id) == [attendee(B)]


async def test_removing_an_absent_participant_succeeds(
    running: Running,
) -> None:
    room_id = await room_with(running, attendee(A))
    await remove(running, room_id, B)
    assert await roster(running, room_id) == [attendee(A)]


async def test_an_update_sends_one_request(running: Running) -> None:
    """It adds, changes and removes participants."""
    room_id = await room_with(running, attendee(A), attendee(B))
    await running.participants.UpdateParticipants(
        UpdateParticipantsRequest(
            room_id=room_id, participants=[presenter(C), presenter(A)], remove_raw_ids=[B]
        )
    )
    assert running.requests("UpdateParticipants") == 1
    assert running.sent() == {
        "participants": {C: {"role": "Presenter"}, A: {"role": "Presenter"}, B: None}
    }
    assert await roster(running, room_id) == [presenter(A), presenter(C)]


@pytest.mark.parametrize("which", ["participants", "remove_raw_ids"])
async def test_an_update_may_only_upsert_or_remove(running: Running, which: str) -> None:
    room_id = await room_with(running, attendee(A))
    request = UpdateParticipantsRequest(room_id=room_id)
    if which == "participants":
        request.participants.append(presenter(A))
    else:
        request.remove_raw_ids.append(A)
    await running.participants.UpdateParticipants(request)
    assert await roster(running, room_id) == ([presenter(A)] if which == "participants" else [])


@pytest.mark.parametrize("count", [1, 350])
async def test_rosters_of_up_to_350_participants(running: Running, count: int) -> None:
    """They can be added, listed and removed."""
    room_id = await room_with(running)
    participants = [attendee(user(number)) for number in range(count)]
    await upsert(running, room_id, *participants)
    assert await roster(running, room_id) == participants
    await remove(running, room_id, *(participant.raw_id for participant in participants))
    assert await roster(running, room_id) == []


async def test_an_update_may_replace_350_participants(running: Running) -> None:
    old = [attendee(user(number)) for number in range(350)]
    new = [presenter(user(1000 + number)) for number in range(350)]
    room_id = await room_with(running, *old)
    removed = [participant.raw_id for participant in old]
    await running.participants.UpdateParticipants(
        UpdateParticipantsRequest(room_id=room_id, participants=new, remove_raw_ids=removed)
    )
    assert await roster(running, room_id) == new


async def test_the_upstream_rejects_participant_351(running: Running) -> None:
    """The roster stays unchanged."""
    participants = [attendee(user(number)) for number in range(350)]
    room_id = await room_with(running, *participants)
    failed = await failure_of(upsert(running, room_id, presenter(user(0)), attendee(user(350))))
    assert (failed.code, failed.reason) == REJECTED
    assert await roster(running, room_id) == participants


async def test_raw_ids_are_case_sensitive(running: Running) -> None:
    other = A.upper().replace("8:ACS", "8:acs")
    room_id = await room_with(running, attendee(A), presenter(other))
    assert await roster(running, room_id) == [attendee(A), presenter(other)]


async def test_rosters_of_unknown_rooms_are_not_found(running: Running) -> None:
    update = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove_raw_ids=[A])
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
