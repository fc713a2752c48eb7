"""The RPCs that create rooms, and the windows that the Rooms service receives."""

from __future__ import annotations

import json
from typing import Any

from acs.rooms.legacy.v1 import legacy_rooms_pb2
from acs.rooms.legacy.v1.legacy_rooms_service_pb2_grpc import LegacyRoomsServiceStub
from acs.rooms.v1 import join_pb2
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from rooms_emulator import timestamps as ticks
from support.gateways import Running

CREATES: dict[str, type[Any]] = {
    "acs.rooms.v1.RoomsService.CreateRoom": CreateRoomRequest,
    "acs.rooms.v1.JoinService.CreateRoomWithGuests": join_pb2.CreateRoomWithGuestsRequest,
    "acs.rooms.legacy.v1.LegacyRoomsService.CreateRoom": legacy_rooms_pb2.CreateRoomRequest,
}


def create_request(name: str, **fields: Any) -> Any:
    """Return a create; of guests, with one."""
    request = CREATES[name](**fields)
    if "guests" in request.DESCRIPTOR.fields_by_name:
        request.guests.add(new_user=Empty())
    return request


def sent_window(running: Running) -> tuple[int | None, int | None]:
    """Return the window, in ticks, of the create or update that was received last."""
    entry = [each for each in running.emulator.journal if each.operation.endswith("Room")][-1]
    body = json.loads(entry.body)
    start, end = (
        ticks.parse(body[name]) if name in body else None for name in ("validFrom", "validUntil")
    )
    return start, end


async def call(running: Running, name: str, request: Message) -> Any:
    """Make the unary call with the full name `name`."""
    service, _, method = name.rpartition(".")
    stub: Any = {
        "acs.rooms.v1.RoomsService": running.rooms,
        "acs.rooms.v1.ParticipantsService": running.participants,
        "acs.rooms.v1.JoinService": running.join,
        "acs.rooms.legacy.v1.LegacyRoomsService": LegacyRoomsServiceStub(running.channel),
    }[service]
    return await getattr(stub, method)(request)
