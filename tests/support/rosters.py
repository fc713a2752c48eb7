"""Helpers that create, change, read and list rooms and rosters through a gateway."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_PRESENTER,
    ListParticipantsRequest,
    ListParticipantsResponse,
    Participant,
    RemoveParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    ListRoomsResponse,
    Room,
)
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_emulator import Emulator
from rooms_emulator.timestamps import TICKS_PER_DAY, TICKS_PER_SECOND
from support.gateways import Failed, Running, by_raw_id, collect, read_failure


def moment(emulator: Emulator, days: float, nanos: int = 0) -> Timestamp:
    """Return a time `days` after the clock of the emulator, in whole seconds, plus `nanos`."""
    ticks = emulator.clock.now() + round(days * TICKS_PER_DAY)
    return Timestamp(seconds=ticks // TICKS_PER_SECOND, nanos=nanos)


def ticks_of(time: Timestamp) -> int:
    """Return a time in units of 100 ns; fail if it is not a whole number of them."""
    ticks, rest = divmod(time.ToNanoseconds(), 100)
    assert rest == 0
    return ticks


async def create(running: Running, **fields: object) -> Room:
    return (await running.rooms.CreateRoom(CreateRoomRequest(**fields))).room  # type: ignore[arg-type] # any of them


async def get(running: Running, room_id: str) -> Room:
    return (await running.rooms.GetRoom(GetRoomRequest(room_id=room_id))).room


async def room_with(running: Running, *participants: Participant) -> str:
    response = await running.rooms.CreateRoom(CreateRoomRequest(participants=participants))
    return response.room.id


async def roster(running: Running, room_id: str) -> list[Participant]:
    request = ListParticipantsRequest(room_id=room_id)
    pages = await collect(running.participants.ListParticipants(request))
    return by_raw_id(pages)


async def upsert(running: Running, room_id: str, *participants: Participant) -> None:
    request = UpsertParticipantsRequest(room_id=room_id, participants=participants)
    await running.participants.UpsertParticipants(request)


async def remove(running: Running, room_id: str, *raw_ids: str) -> None:
    request = RemoveParticipantsRequest(room_id=room_id, remove_raw_ids=raw_ids)
    await running.participants.RemoveParticipants(request)


def presenter(raw_id: str) -> Participant:
    return Participant(raw_id=raw_id, role=PARTICIPANT_ROLE_PRESENTER)


def attendee(raw_id: str) -> Participant:
    return Participant(raw_id=raw_id, role=PARTICIPANT_ROLE_ATTENDEE)


QUERY = "api-version=2025-03-13"


async def pages(running: Running, token: str = "", max_pages: int = 0) -> list[ListRoomsResponse]:
    request = ListRoomsRequest(page_token=token, max_pages=max_pages)
    return await collect(running.rooms.ListRooms(request))


async def roster_pages(
    running: Running, room_id: str, token: str = "", max_pages: int = 0
) -> list[ListParticipantsResponse]:
    request = ListParticipantsRequest(room_id=room_id, page_token=token, max_pages=max_pages)
    return await collect(running.participants.ListParticipants(request))


async def until_failure(running: Running) -> tuple[list[ListRoomsResponse], Failed]:
    """Read the list of rooms until it fails; return the pages before the error, and the error."""
    seen = []
    try:
        async for page in running.rooms.ListRooms(ListRoomsRequest()):
            seen.append(page)  # noqa: PERF401 - the pages before the error are returned
    except grpc.aio.AioRpcError as error:
        return seen, read_failure(error)
    pytest.fail("the list did not fail")


def ids(found: list[ListRoomsResponse]) -> list[str]:
    return [room.id for page in found for room in page.rooms]
