"""The preview's rooms between contract and REST JSON."""

from __future__ import annotations

from typing import Literal

from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb

from rooms_gateway.services.convert import timestamps
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.upstream.legacy_models import (
    COMMUNICATION_SERVICE_USERS,
    INVITE_ONLY,
    RoomBody,
    RosteredRoom,
)

_POLICY_TO_REST = {
    pb.ROOM_JOIN_POLICY_INVITE_ONLY: INVITE_ONLY,
    pb.ROOM_JOIN_POLICY_COMMUNICATION_SERVICE_USERS: COMMUNICATION_SERVICE_USERS,
}
_POLICY_FROM_REST = {name: policy for policy, name in _POLICY_TO_REST.items()}


def room_from_rest(found: RosteredRoom) -> pb.Room:
    """Convert an answer; what the service left out, or the contract does not know, stays unset."""
    room = found.room
    return pb.Room(
        id=room.id,
        created_at=timestamps.from_rest(room.created_at),
        valid_from=timestamps.from_rest(room.valid_from),
        valid_until=timestamps.from_rest(room.valid_until),
        room_join_policy=_POLICY_FROM_REST.get(found.join_policy, pb.ROOM_JOIN_POLICY_UNSPECIFIED),
        participants=map(participant_from_rest, found.participants),
    )


def create_to_rest(request: pb.CreateRoomRequest) -> RoomBody:
    """Convert a create. Raises InvalidRequestError for what the contract's rules cannot express."""
    return RoomBody(
        _time(request, "valid_from"),
        _time(request, "valid_until"),
        _POLICY_TO_REST.get(request.room_join_policy),
        roster_of(request.participants, "participants"),
    )


def update_to_rest(request: pb.UpdateRoomRequest) -> RoomBody:
    """Convert an update: what is unset is None, and so not sent. Raises InvalidRequestError."""
    roster = request.roster.participants
    return RoomBody(
        _time(request, "valid_from"),
        _time(request, "valid_until"),
        _POLICY_TO_REST.get(request.room_join_policy),
        roster_of(roster, "roster.participants") if request.HasField("roster") else None,
    )


def _time(
    request: pb.CreateRoomRequest | pb.UpdateRoomRequest,
    field: Literal["valid_from", "valid_until"],
) -> str | None:
    if not request.HasField(field):
        return None
    return timestamps.to_rest(getattr(request, field), field)
