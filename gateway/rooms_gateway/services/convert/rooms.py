"""Rooms between contract and REST JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from acs.rooms.v1 import rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import Participant
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from msgspec import structs

from rooms_gateway.services.convert import timestamps
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.upstream import models as rest
from rooms_gateway.upstream.models import CreateRoom, Room, UpdateRoom

DEFAULT_ROLE = "Attendee"
"""What the service makes of people who come without a role."""


def add_rooms(messages: RepeatedCompositeFieldContainer[pb.Room], rooms: Iterable[Room]) -> None:
    """Convert answers as fill_room does, and append them to `messages`."""
    for room in rooms:
        fill_room(messages.add(), room)


def fill_room(message: pb.Room, room: Room) -> None:
    """Convert an answer into an empty message; what the service left out stays unset.

    In place, because a message that is made apart is copied into its parent.
    """
    message.id = room.id
    timestamps.fill(message.created_at, room.created_at)
    timestamps.fill(message.valid_from, room.valid_from)
    timestamps.fill(message.valid_until, room.valid_until)
    if room.pstn_dial_out_enabled is not None:
        message.pstn_dial_out_enabled = room.pstn_dial_out_enabled


def create_to_rest(request: pb.CreateRoomRequest) -> CreateRoom:
    """Convert a create. Raises InvalidRequestError for what the contract's rules cannot express."""
    return CreateRoom(
        valid_from=_time(request, "valid_from"),
        valid_until=_time(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
        participants=roster_of(request.participants, "participants"),
    )


def update_to_rest(request: pb.UpdateRoomRequest) -> UpdateRoom:
    """Convert an update: what is unset is None, and so not sent. Raises InvalidRequestError."""
    return UpdateRoom(
        valid_from=_time(request, "valid_from"),
        valid_until=_time(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
    )


def first_roster(body: CreateRoom) -> list[Participant]:
    """Return the roster that a create gives its room; the service's default role filled in."""
    return [
        participant_from_rest(rest.Participant(raw_id, (person and person.role) or DEFAULT_ROLE))
        for raw_id, person in body.participants.items()
    ]


def is_one_sided(body: UpdateRoom) -> bool:
    """Say whether an update gives one end of the window and not the other."""
    return (body.valid_from is None) != (body.valid_until is None)


def with_other_end(body: UpdateRoom, room: Room) -> UpdateRoom:
    """Add the end of the window that `body` lacks, as `room` has it now."""
    return structs.replace(
        body,
        valid_from=body.valid_from or room.valid_from,
        valid_until=body.valid_until or room.valid_until,
    )


_Window = pb.CreateRoomRequest | pb.UpdateRoomRequest


def _time(request: _Window, field: Literal["valid_from", "valid_until"]) -> str | None:
    if not request.HasField(field):
        return None
    return timestamps.to_rest(getattr(request, field), field)


def _dial_out(request: _Window) -> bool | None:
    return request.pstn_dial_out_enabled if request.HasField("pstn_dial_out_enabled") else None
