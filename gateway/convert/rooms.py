"""Rooms between contract and REST JSON."""

from __future__ import annotations

from typing import Literal

from acs.rooms.v1 import rooms_pb2 as pb

from gateway.convert import timestamps
from gateway.convert.participants import roster_of
from gateway.models import CreateRoom, Room, UpdateRoom


def room_from_rest(room: Room) -> pb.Room:
    """Convert an answer; what the service left out stays unset."""
    return pb.Room(
        id=room.id,
        created_at=timestamps.from_rest(room.created_at),
        valid_from=timestamps.from_rest(room.valid_from),
        valid_until=timestamps.from_rest(room.valid_until),
        pstn_dial_out_enabled=room.pstn_dial_out_enabled,
    )


def create_to_rest(request: pb.CreateRoomRequest) -> CreateRoom:
    """Convert a create. Raises RequestInvalid for what the contract's rules cannot express."""
    return CreateRoom(
        valid_from=_time(request, "valid_from"),
        valid_until=_time(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
        participants=roster_of(request.participants, "participants"),
    )


def update_to_rest(request: pb.UpdateRoomRequest) -> UpdateRoom:
    """Convert an update: what is unset is None, and so not sent. Raises RequestInvalid."""
    return UpdateRoom(
        valid_from=_time(request, "valid_from"),
        valid_until=_time(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
    )


_Window = pb.CreateRoomRequest | pb.UpdateRoomRequest


def _time(request: _Window, field: Literal["valid_from", "valid_until"]) -> str | None:
    if not request.HasField(field):
        return None
    return timestamps.to_rest(getattr(request, field), field)


def _dial_out(request: _Window) -> bool | None:
    return request.pstn_dial_out_enabled if request.HasField("pstn_dial_out_enabled") else None
