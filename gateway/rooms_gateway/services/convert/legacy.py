"""Conversion of rooms of LegacyRoomsService to and from the stable REST API."""

from __future__ import annotations

from collections.abc import Iterable

from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb

from rooms_gateway.errors import UnsupportedJoinPolicyError, Violation
from rooms_gateway.services.convert import timestamps
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.upstream.models import CreateRoom, Participant, Room, Roster, UpdateRoom


def room_from_rest(room: Room, roster: Iterable[Participant]) -> pb.Room:
    """Convert a room and its roster; members that the response lacks stay unset."""
    return pb.Room(
        id=room.id,
        created_at=timestamps.from_rest(room.created_at),
        valid_from=timestamps.from_rest(room.valid_from),
        valid_until=timestamps.from_rest(room.valid_until),
        room_join_policy=pb.ROOM_JOIN_POLICY_INVITE_ONLY,
        participants=map(participant_from_rest, roster),
    )


def create_to_rest(request: pb.CreateRoomRequest) -> CreateRoom:
    """Convert a create. Raises InvalidRequestError for rules that the proto cannot express."""
    return CreateRoom(
        valid_from=timestamps.field_to_rest(request, "valid_from"),
        valid_until=timestamps.field_to_rest(request, "valid_until"),
        participants=roster_of(request.participants),
    )


def update_to_rest(request: pb.UpdateRoomRequest) -> UpdateRoom:
    """Convert the window of an update. Raises InvalidRequestError."""
    return UpdateRoom(
        valid_from=timestamps.field_to_rest(request, "valid_from"),
        valid_until=timestamps.field_to_rest(request, "valid_until"),
    )


def new_roster(request: pb.UpdateRoomRequest) -> Roster | None:
    """Convert the roster of an update; None if it is unset. Raises InvalidRequestError."""
    if not request.HasField("roster"):
        return None
    return roster_of(request.roster.participants, field="roster.participants")


def check_join_policy(policy: pb.RoomJoinPolicy.ValueType, api_version: str) -> None:
    """Raise UnsupportedJoinPolicyError if `policy` is not invite-only, explicitly or by default."""
    if policy == pb.ROOM_JOIN_POLICY_COMMUNICATION_SERVICE_USERS:
        raise UnsupportedJoinPolicyError(
            f"REST api-version {api_version} has invite-only rooms alone: put all participants on "
            "the roster",
            Violation("room_join_policy", "must be ROOM_JOIN_POLICY_INVITE_ONLY or unset"),
        )
