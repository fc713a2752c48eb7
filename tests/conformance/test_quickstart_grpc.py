"""The Rooms quickstart from its first step, over gRPC only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
from acs.identity.v1 import users_pb2 as users_pb
from acs.rooms.v1 import join_pb2 as join_pb
from acs.rooms.v1 import participants_pb2 as participants_pb
from acs.rooms.v1 import rooms_pb2 as rooms_pb
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    Participant,
)
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, failure_of


async def two_users(running: Running) -> list[str]:
    request = users_pb.CreateUserRequest()
    return [(await running.identity.CreateUser(request)).user.raw_id for _ in range(2)]


def in_days(days: float) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    return moment


async def roster(running: Running, room_id: str) -> list[tuple[str, int]]:
    pages = running.participants.ListParticipants(
        participants_pb.ListParticipantsRequest(room_id=room_id)
    )
    return [(each.raw_id, each.role) async for page in pages for each in page.participants]


async def obstacles(running: Running, room_id: str, raw_id: str, token: str) -> list[int]:
    request = join_pb.ExplainJoinRequest(room_id=room_id, raw_id=raw_id, token=token)
    return [each.kind for each in (await running.join.ExplainJoin(request)).obstacles]


async def test_quickstart(running: Running) -> None:
    first, second = await two_users(running)
    created = await running.join.CreateRoomWithGuests(
        join_pb.CreateRoomWithGuestsRequest(
            valid_from=in_days(0),
            valid_until=in_days(10),
            guests=[join_pb.Guest(raw_id=first, role=PARTICIPANT_ROLE_PRESENTER)],
        )
    )
    room = created.room
    assert (await running.rooms.GetRoom(rooms_pb.GetRoomRequest(room_id=room.id))).room == room
    [guest] = created.results
    assert await obstacles(running, room.id, first, guest.access_token.token) == []

    change = rooms_pb.UpdateRoomRequest(
        room_id=room.id, valid_from=in_days(0), valid_until=in_days(30)
    )
    updated = (await running.rooms.UpdateRoom(change)).room
    # The Rooms service keeps units of 100 ns.
    assert updated.valid_until.ToNanoseconds() == change.valid_until.ToNanoseconds() // 100 * 100
    pages = running.rooms.ListRooms(rooms_pb.ListRoomsRequest())
    assert [listed.id async for page in pages for listed in page.rooms] == [room.id]

    await running.participants.UpsertParticipants(
        participants_pb.UpsertParticipantsRequest(
            room_id=room.id,
            participants=[Participant(raw_id=second, role=PARTICIPANT_ROLE_ATTENDEE)],
        )
    )
    assert await roster(running, room.id) == [
        (first, PARTICIPANT_ROLE_PRESENTER),
        (second, PARTICIPANT_ROLE_ATTENDEE),
    ]
    await running.participants.RemoveParticipants(
        participants_pb.RemoveParticipantsRequest(room_id=room.id, remove_raw_ids=[first])
    )
    assert await roster(running, room.id) == [(second, PARTICIPANT_ROLE_ATTENDEE)]
    assert await obstacles(running, room.id, first, guest.access_token.token) == [
        join_pb.JOIN_OBSTACLE_KIND_NOT_A_PARTICIPANT
    ]

    await running.rooms.DeleteRoom(rooms_pb.DeleteRoomRequest(room_id=room.id))
    failed = await failure_of(running.rooms.GetRoom(rooms_pb.GetRoomRequest(room_id=room.id)))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.NOT_FOUND,
        "ERROR_REASON_ROOM_NOT_FOUND",
    )
    assert running.requests("CreateIdentity") == 2
