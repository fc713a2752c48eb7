"""Rejected changes of a roster, and the fields in their violations."""

from __future__ import annotations

import pytest
from acs.rooms.v1.participants_pb2 import UpdateParticipantsRequest
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, remove, room_with, roster, upsert
from support.samples import INVALID, REJECTED, A, B, C


async def test_a_rejected_identifier_changes_no_roster(running: Running) -> None:
    room_id = await room_with(running, attendee(A))
    for call, field in (
        (upsert(running, room_id, presenter(A), attendee("wrong_mri")), "participants[1].raw_id"),
        (remove(running, room_id, A, "wrong_mri"), "remove_raw_ids[1]"),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == REJECTED
        assert list(failed.violations) == [field]
        assert field in failed.message
        assert b"wrong_mri" not in failed.status.SerializeToString()
    assert await roster(running, room_id) == [attendee(A)]


@pytest.mark.parametrize(
    ("upserted", "removed", "violations"),
    [
        ([A, A], [], ["participants[1].raw_id"]),
        (
            [A, B, A, B, A],
            [],
            ["participants[2].raw_id", "participants[3].raw_id", "participants[4].raw_id"],
        ),
        ([], [A, B, B], ["remove_raw_ids[2]"]),
        ([A, B], [C, B], ["remove_raw_ids[1]"]),
        ([A, A], [A], ["participants[1].raw_id", "remove_raw_ids[0]"]),
    ],
)
async def test_duplicates_in_an_update_are_rejected(
    running: Running, upserted: list[str], removed: list[str], violations: list[str]
) -> None:
    """The violations name the indexes, and nothing is sent."""
    request = UpdateParticipantsRequest(
        room_id=UNKNOWN_ROOM, participants=map(presenter, upserted), remove_raw_ids=removed
    )
    failed = await failure_of(running.participants.UpdateParticipants(request))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == violations
    assert running.requests() == 0


async def test_every_rpc_rejects_duplicates_unsent(
    running: Running,
) -> None:
    for call, field in (
        (upsert(running, UNKNOWN_ROOM, attendee(A), presenter(A)), "participants[1].raw_id"),
        (remove(running, UNKNOWN_ROOM, B, A, B), "remove_raw_ids[2]"),
        (room_with(running, attendee(A), attendee(A)), "participants[1].raw_id"),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == INVALID
        assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_an_empty_update_is_rejected_unsent(
    running: Running,
) -> None:
    request = UpdateParticipantsRequest(room_id=UNKNOWN_ROOM)
    failed = await failure_of(running.participants.UpdateParticipants(request))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == [""]
    assert running.requests() == 0
