"""Changes of a roster that are refused, and on whom it is blamed."""

from __future__ import annotations

import pytest
from acs.rooms.v1.participants_pb2 import UpdateParticipantsRequest
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, remove, room_with, roster, upsert
from support.samples import INVALID, REJECTED, A, B, C


async def test_an_identifier_that_the_service_refuses_changes_nobody(running: Running) -> None:
    room_id = await room_with(running, attendee(A))
    for call, field in (
        (upsert(running, room_id, presenter(A), attendee("wrong_mri")), "participants[1].raw_id"),
        (remove(running, room_id, A, "wrong_mri"), "raw_ids[1]"),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == REJECTED
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
    assert (failed.code, failed.reason) == INVALID
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
        assert (failed.code, failed.reason) == INVALID
        assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_an_update_that_names_nobody_is_refused_and_nothing_is_sent(
    running: Running,
) -> None:
    request = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM)
    failed = await failure_of(running.participants.UpdateParticipants(request))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == [""]
    assert running.requests() == 0
