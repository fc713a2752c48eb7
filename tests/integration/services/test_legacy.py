"""LegacyRoomsService: rooms."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
)
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import failure_of
from support.legacy_gateway import FROM, STABLE, UNTIL, Legacy, participant, serving
from support.samples import user

INVITE_ONLY = pb.ROOM_JOIN_POLICY_INVITE_ONLY
ALL_USERS = pb.ROOM_JOIN_POLICY_COMMUNICATION_SERVICE_USERS


@pytest.mark.proves("legacy-create-room")
async def test_create_and_get_return_the_same_room(
    legacy: Legacy,
) -> None:
    participants = [
        Participant(raw_id=user(1), role=PARTICIPANT_ROLE_PRESENTER),
        Participant(raw_id=user(2)),
    ]
    request = pb.CreateRoomRequest(
        valid_from=FROM, valid_until=UNTIL, room_join_policy=INVITE_ONLY, participants=participants
    )
    room = (await legacy.stub.CreateRoom(request)).room
    stored = legacy.running.emulator.store.get(room.id)
    assert room.created_at.ToNanoseconds() == stored.created_at * 100
    assert room == pb.Room(
        id=room.id,
        created_at=room.created_at,
        valid_from=FROM,
        valid_until=UNTIL,
        room_join_policy=INVITE_ONLY,
        participants=[participant(1, PARTICIPANT_ROLE_PRESENTER), participant(2)],
    )
    assert (await legacy.stub.GetRoom(pb.GetRoomRequest(room_id=room.id))).room == room


async def test_create_is_idempotent_by_request_id(legacy: Legacy) -> None:
    request = pb.CreateRoomRequest(request_id="0433d7d3-6775-41ed-b90f-d03c1f2e0bde")
    rooms = [(await legacy.stub.CreateRoom(request)).room for _ in range(2)]
    assert rooms[0] == rooms[1]
    assert len(legacy.running.emulator.store) == 1


@pytest.mark.proves("legacy-join-policy")
@pytest.mark.parametrize("version", ["2023-06-14", "2024-04-15", STABLE])
async def test_open_join_policy_is_rejected_unsent(legacy: Legacy, version: str) -> None:
    room_id = await legacy.make()
    roster = pb.Roster(participants=[participant(1)])
    for call in (
        legacy.stub.CreateRoom(pb.CreateRoomRequest(room_join_policy=ALL_USERS)),
        legacy.stub.UpdateRoom(
            pb.UpdateRoomRequest(room_id=room_id, room_join_policy=ALL_USERS, roster=roster)
        ),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "ERROR_REASON_JOIN_POLICY_UNSUPPORTED",
        )
        assert failed.violations.keys() == {"room_join_policy"}
        assert failed.metadata["apiVersion"] == version
    assert legacy.sent == []


@pytest.mark.proves("legacy-update-roster")
async def test_update_replaces_the_roster_in_order(
    legacy: Legacy,
) -> None:
    """Remaining participants come first, in their previous order."""
    room_id = await legacy.make(participant(1), participant(2), participant(3))
    participants = [participant(4), participant(3, PARTICIPANT_ROLE_PRESENTER), participant(1)]
    updated = await legacy.stub.UpdateRoom(
        pb.UpdateRoomRequest(room_id=room_id, roster=pb.Roster(participants=participants))
    )
    expected = [participant(1), participant(3, PARTICIPANT_ROLE_PRESENTER), participant(4)]
    assert list(updated.room.participants) == expected
    assert (updated.room.valid_from, updated.room.valid_until) == (FROM, UNTIL)
    assert legacy.roster(room_id) == [(each.raw_id, each.role) for each in expected]


async def test_one_minimal_patch_replaces_the_roster(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make(participant(1), participant(2))
    participants = [participant(1), participant(3)]
    await legacy.stub.UpdateRoom(
        pb.UpdateRoomRequest(room_id=room_id, roster=pb.Roster(participants=participants))
    )
    assert sorted(legacy.sent) == ["GetRoom", "ListParticipants", "UpdateParticipants"]
    (patch,) = (
        entry
        for entry in legacy.running.emulator.journal
        if entry.operation == "UpdateParticipants"
    )
    assert user(1).encode() not in patch.body
    assert f'"{user(2)}":null'.encode() in patch.body


@pytest.mark.proves("legacy-update-window")
async def test_update_clears_roster_and_moves_window(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1))
    later = Timestamp(seconds=UNTIL.seconds + 60)
    updated = await legacy.stub.UpdateRoom(
        pb.UpdateRoomRequest(
            room_id=room_id, valid_from=FROM, valid_until=later, roster=pb.Roster()
        )
    )
    assert (updated.room.valid_until, list(updated.room.participants)) == (later, [])
    assert legacy.roster(room_id) == []
    assert legacy.sent[0] == "UpdateRoom"


async def test_update_of_the_window_keeps_the_roster(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make(participant(1))
    updated = await legacy.stub.UpdateRoom(
        pb.UpdateRoomRequest(room_id=room_id, valid_from=FROM, valid_until=UNTIL)
    )
    assert list(updated.room.participants) == [participant(1)]
    assert "UpdateParticipants" not in legacy.sent


async def test_an_empty_update_returns_the_room(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1))
    updated = await legacy.stub.UpdateRoom(pb.UpdateRoomRequest(room_id=room_id))
    assert updated.room == (await legacy.stub.GetRoom(pb.GetRoomRequest(room_id=room_id))).room


async def test_a_one_sided_window_is_not_completed(legacy: Legacy) -> None:
    """The Rooms service rejects it, and the roster stays."""
    room_id = await legacy.make(participant(1))
    failed = await failure_of(
        legacy.stub.UpdateRoom(
            pb.UpdateRoomRequest(room_id=room_id, valid_until=UNTIL, roster=pb.Roster())
        )
    )
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "ERROR_REASON_UPSTREAM_REJECTED_REQUEST",
    )
    assert legacy.roster(room_id) == [(user(1), PARTICIPANT_ROLE_ATTENDEE)]


@pytest.mark.proves("legacy-get-room")
async def test_get_reads_all_pages_of_the_roster() -> None:
    async with serving(STABLE, page_size=2) as legacy:
        participants = [participant(number) for number in range(5)]
        made = await legacy.stub.CreateRoom(pb.CreateRoomRequest(participants=participants))
        read = await legacy.stub.GetRoom(pb.GetRoomRequest(room_id=made.room.id))
        assert list(read.room.participants) == participants
        assert legacy.sent.count("ListParticipants") == 3
