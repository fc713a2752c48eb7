"""Changing and reading rosters through a gateway."""

from __future__ import annotations

from acs.rooms.v1.participants_pb2 import (
    ROLE_ATTENDEE,
    ROLE_PRESENTER,
    ListParticipantsRequest,
    Participant,
    RemoveParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from running import Running, by_raw_id, collect


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
