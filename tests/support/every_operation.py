"""A call of every kind on an existing room, each with a check of its effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from acs.rooms.v1 import participants_pb2, rooms_pb2

from rooms_emulator import Emulator
from support.fast_gateway import Quick
from support.gateways import collect
from support.samples import user


@dataclass(frozen=True, slots=True)
class Operation:
    """A call on an existing room, and a check of the response and the store."""

    name: str
    """Operation name in the journal of the emulator."""
    call: Callable[[Quick, str], Awaitable[Any]]
    worked: Callable[[Any, Emulator, str], bool]


async def get(quick: Quick, room: str) -> Any:
    return await quick.rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id=room))


async def update(quick: Quick, room: str) -> Any:
    request = rooms_pb2.UpdateRoomRequest(room_id=room, pstn_dial_out_enabled=True)
    return await quick.rooms.UpdateRoom(request)


async def upsert(quick: Quick, room: str) -> Any:
    participants = [participants_pb2.Participant(raw_id=user(1))]
    request = participants_pb2.UpsertParticipantsRequest(room_id=room, participants=participants)
    return await quick.participants.UpsertParticipants(request)


async def delete(quick: Quick, room: str) -> Any:
    return await quick.rooms.DeleteRoom(rooms_pb2.DeleteRoomRequest(room_id=room))


async def create(quick: Quick, _: str) -> Any:
    return await quick.rooms.CreateRoom(rooms_pb2.CreateRoomRequest())


async def list_rooms(quick: Quick, _: str) -> Any:
    return await collect(quick.rooms.ListRooms(rooms_pb2.ListRoomsRequest()))


OPERATIONS = [
    Operation("GetRoom", get, lambda response, _, room: response.room.id == room),
    Operation(
        "UpdateRoom",
        update,
        lambda response, emulator, room: (
            response.room.pstn_dial_out_enabled and emulator.store.get(room).pstn_dial_out_enabled
        ),
    ),
    Operation(
        "UpdateParticipants",
        upsert,
        lambda _, emulator, room: len(emulator.store.participants_page(room).items) == 1,
    ),
    Operation("DeleteRoom", delete, lambda _, emulator, __: rooms_in(emulator) == 0),
    Operation(
        "CreateRoom",
        create,
        lambda response, emulator, _: (
            rooms_in(emulator) == 2 and emulator.store.get(response.room.id).id == response.room.id
        ),
    ),
    Operation(
        "ListRooms", list_rooms, lambda pages, _, room: [r.id for r in pages[0].rooms] == [room]
    ),
]


by_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


def rooms_in(emulator: Emulator) -> int:
    return len(emulator.store.rooms_page().items)


def entries(emulator: Emulator, operation: str) -> list[Any]:
    return [entry for entry in emulator.journal if entry.operation == operation]
