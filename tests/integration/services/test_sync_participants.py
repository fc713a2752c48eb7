"""SyncParticipants: what is sent, what is refused, and what a dry run shows."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.participants_pb2 import (
    Participant,
    SyncParticipantsRequest,
    SyncParticipantsResponse,
)
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from support.gateways import UNKNOWN_ROOM, Running, failure_of
from support.rosters import attendee, presenter, room_with, roster, upsert
from support.samples import NOT_FOUND, A, B, C, communication_user, user

from rooms_emulator import Fault

CHANGED = (grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_ROSTER_CHANGED")
TOO_MANY = (grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_TOO_MANY_REMOVALS")


async def sync(
    running: Running, room_id: str, *participants: Participant, **others: object
) -> SyncParticipantsResponse:
    request = SyncParticipantsRequest(
        room_id=room_id,
        participants=participants,
        **others,  # type: ignore[arg-type] # any of its fields
    )
    return await running.participants.SyncParticipants(request)


def raw_ids(participants: list[Participant]) -> list[str]:
    return [each.raw_id for each in participants]


async def fingerprint_of(running: Running, room_id: str) -> str:
    request = GetRoomRequest(room_id=room_id, include_participants=True)
    return (await running.rooms.GetRoom(request)).roster_fingerprint


@pytest.mark.proves("sync-participants")
async def test_only_differences_are_sent(running: Running) -> None:
    room_id = await room_with(running, attendee(A), presenter(B))
    response = await sync(running, room_id, presenter(A), attendee(C))
    assert running.sent() == {
        "participants": {C: {"role": "Attendee"}, A: {"role": "Presenter"}, B: None}
    }
    assert raw_ids(list(response.added)) == [C]
    assert [(each.raw_id, each.role) for each in response.changed] == [(A, presenter(A).role)]
    assert [(each.raw_id, each.role) for each in response.removed] == [(B, presenter(B).role)]
    assert response.unchanged_count == 0
    assert await roster(running, room_id) == [presenter(A), attendee(C)]
    assert response.fingerprint == await fingerprint_of(running, room_id)


async def test_350_participants_with_one_change(running: Running) -> None:
    """One request reads the roster, and one has the change alone."""
    people = [attendee(user(number)) for number in range(350)]
    room_id = await room_with(running, *people)
    sent = running.requests()
    people[7] = presenter(people[7].raw_id)
    response = await sync(running, room_id, *people)
    assert running.requests() - sent == 2
    assert running.sent() == {"participants": {people[7].raw_id: {"role": "Presenter"}}}
    assert response.unchanged_count == 349


async def test_350_participants_can_be_replaced(running: Running) -> None:
    room_id = await room_with(running, *(attendee(user(number)) for number in range(350)))
    others = [presenter(user(number)) for number in range(350, 700)]
    response = await sync(running, room_id, *others)
    assert (len(response.added), len(response.removed)) == (350, 350)
    assert await roster(running, room_id) == others


async def test_an_equal_roster_is_not_written(running: Running) -> None:
    room_id = await room_with(running, attendee(A), presenter(B))
    response = await sync(
        running, room_id, presenter(B), Participant(identifier=communication_user(A))
    )
    assert running.requests("UpdateParticipants") == 0
    assert response.unchanged_count == 2
    assert response.fingerprint == await fingerprint_of(running, room_id)


async def test_an_empty_list_removes_everybody(running: Running) -> None:
    room_id = await room_with(running, attendee(A), presenter(B))
    response = await sync(running, room_id)
    assert raw_ids(list(response.removed)) == [A, B]
    assert await roster(running, room_id) == []


async def test_unrecognized_roles_are_kept(running: Running) -> None:
    """A listed participant can be sent back as it is, with a role of a later api-version."""
    room_id = await room_with(running, attendee(A))
    running.emulator.faults.add(Fault(operation="ListParticipants", role="Guide", count=2))
    (listed,) = await roster(running, room_id)
    assert listed.unrecognized_role == "Guide"
    assert (await sync(running, room_id, listed)).unchanged_count == 1
    assert running.requests("UpdateParticipants") == 0


async def test_another_roster_is_refused(running: Running) -> None:
    """The fingerprint is that of an earlier sync, of GetRoom, or of a dry run."""
    room_id = await room_with(running, attendee(A))
    seen = {
        await fingerprint_of(running, room_id),
        (await sync(running, room_id, attendee(A))).fingerprint,
        (await sync(running, room_id, dry_run=DryRun())).fingerprint,
    }
    (expected,) = seen
    await upsert(running, room_id, presenter(A))
    failed = await failure_of(sync(running, room_id, attendee(B), expected_fingerprint=expected))
    assert (failed.code, failed.reason) == CHANGED
    assert await roster(running, room_id) == [presenter(A)]
    await upsert(running, room_id, attendee(A))
    await sync(running, room_id, attendee(B), expected_fingerprint=expected)
    assert await roster(running, room_id) == [attendee(B)]


@pytest.mark.parametrize("expected", ["x", "é" * 32, "A" * 64])
async def test_malformed_fingerprints_match_nothing(running: Running, expected: str) -> None:
    room_id = await room_with(running, attendee(A))
    failed = await failure_of(sync(running, room_id, expected_fingerprint=expected))
    assert (failed.code, failed.reason) == CHANGED
    assert await roster(running, room_id) == [attendee(A)]


@pytest.mark.parametrize(("permitted", "refused"), [(0, True), (1, True), (2, False), (3, False)])
async def test_mass_removals_are_refused(running: Running, permitted: int, refused: bool) -> None:
    room_id = await room_with(running, attendee(A), attendee(B), attendee(C))
    call = sync(running, room_id, attendee(A), max_removals=permitted)
    if refused:
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == TOO_MANY
        assert len(await roster(running, room_id)) == 3
    else:
        assert len((await call).removed) == 2


async def test_a_dry_run_shows_the_changes(running: Running) -> None:
    room_id = await room_with(running, attendee(A), presenter(B))
    dry_run = DryRun(show_identifiers=True)
    response = await sync(running, room_id, presenter(A), attendee(C), dry_run=dry_run)
    assert raw_ids([*response.added, *response.changed, *response.removed]) == [C, A, B]
    body = {C: {"role": "Attendee"}, A: {"role": "Presenter"}, B: None}
    assert json.loads(response.rest_request.body) == {"participants": body}
    assert response.fingerprint == await fingerprint_of(running, room_id)
    assert running.requests("UpdateParticipants") == 0


async def test_a_dry_run_redacts_by_default(running: Running) -> None:
    """Changes and request have the same placeholders."""
    room_id = await room_with(running, attendee(A), presenter(B))
    response = await sync(running, room_id, presenter(A), attendee(C), dry_run=DryRun())
    names = raw_ids([*response.added, *response.changed, *response.removed])
    assert names == ["<redacted 1>", "<redacted 2>", "<redacted 3>"]
    assert list(json.loads(response.rest_request.body)["participants"]) == names
    assert not any(each in str(response) for each in (A, B, C))


async def test_a_dry_run_without_changes_has_no_request(running: Running) -> None:
    room_id = await room_with(running, attendee(A))
    response = await sync(running, room_id, attendee(A), dry_run=DryRun())
    assert not response.HasField("rest_request")
    assert response.unchanged_count == 1


async def test_too_many_participants_are_refused_unsent(running: Running) -> None:
    failed = await failure_of(sync(running, UNKNOWN_ROOM, *(attendee(user(n)) for n in range(351))))
    assert failed.reason == "ERROR_REASON_REQUEST_INVALID"
    assert list(failed.violations) == ["participants"]
    assert running.requests() == 0


async def test_rosters_of_unknown_rooms_are_not_found(running: Running) -> None:
    failed = await failure_of(sync(running, UNKNOWN_ROOM, attendee(A)))
    assert (failed.code, failed.reason) == NOT_FOUND


async def test_a_lost_response_is_repeated(running: Running) -> None:
    """Sent twice, the change has the same result."""
    room_id = await room_with(running, attendee(A))
    running.emulator.faults.add(Fault(operation="UpdateParticipants", drop="after"))
    await sync(running, room_id, presenter(B))
    assert running.requests("UpdateParticipants") == 2
    assert await roster(running, room_id) == [presenter(B)]


async def test_concurrent_syncs_keep_only_their_lists(running: Running) -> None:
    """What neither lists is removed; they are not isolated, so both lists may be left."""
    room_id = await room_with(running, attendee(A))
    await asyncio.gather(
        sync(running, room_id, attendee(B)),
        sync(running, room_id, attendee(C)),
    )
    assert set(raw_ids(await roster(running, room_id))) <= {B, C}
