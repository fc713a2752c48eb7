"""Conversion of rooms between protobuf and REST JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import starmap
from typing import Literal

from acs.rooms.v1 import rooms_pb2 as pb
from acs.rooms.v1.join_pb2 import CreateRoomWithGuestsRequest
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from msgspec import structs

from rooms_gateway.services.convert import timestamps
from rooms_gateway.services.convert.participants import roles_of, roster_of
from rooms_gateway.upstream.models import CreateRoom, Participant, Room, Roster, UpdateRoom


def add_rooms(messages: RepeatedCompositeFieldContainer[pb.Room], rooms: Iterable[Room]) -> None:
    """Append a converted message for each of `rooms` to `messages`."""
    for room in rooms:
        fill_room(messages.add(), room)


def add_matching_rooms(
    messages: RepeatedCompositeFieldContainer[pb.Room],
    match: Callable[[pb.Room], bool],
    rooms: Iterable[Room],
) -> None:
    """Append a converted message for each of `rooms` that matches."""
    for room in rooms:
        message = messages.add()
        fill_room(message, room)
        if not match(message):
            messages.pop()


def fill_room(message: pb.Room, room: Room) -> None:
    """Convert `room` into an empty `message`; members that the response lacks stay unset.

    Does not return a new message, because protobuf would copy it into its parent.
    """
    message.id = room.id
    timestamps.fill(message.created_at, room.created_at)
    timestamps.fill(message.valid_from, room.valid_from)
    timestamps.fill(message.valid_until, room.valid_until)
    if room.pstn_dial_out_enabled is not None:
        message.pstn_dial_out_enabled = room.pstn_dial_out_enabled


def create_to_rest(
    request: pb.CreateRoomRequest | CreateRoomWithGuestsRequest, roster: Roster | None = None
) -> CreateRoom:
    """Convert a create. Raises InvalidRequestError for rules that the proto cannot express.

    `roster` is that of the participants if `usual_roster` has returned one.
    """
    return CreateRoom(
        valid_from=timestamps.field_to_rest(request, "valid_from"),
        valid_until=timestamps.field_to_rest(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
        participants=roster_of(request.participants, read=roster),
    )


def update_to_rest(request: pb.UpdateRoomRequest) -> UpdateRoom:
    """Convert an update; unset fields become None and are not sent. Raises InvalidRequestError."""
    return UpdateRoom(
        valid_from=timestamps.field_to_rest(request, "valid_from"),
        valid_until=timestamps.field_to_rest(request, "valid_until"),
        pstn_dial_out_enabled=_dial_out(request),
    )


def first_roster(body: CreateRoom) -> list[Participant]:
    """Return the roster of the room that `body` creates, with the default role filled in."""
    return [*starmap(Participant, roles_of(body.participants).items())]


def changed_end(request: pb.UpdateRoomRequest) -> Literal["valid_from", "valid_until"]:
    """Return the end of the window that an update sets; of both, the last one."""
    return "valid_until" if request.HasField("valid_until") else "valid_from"


def is_one_sided(body: UpdateRoom) -> bool:
    """Return whether an update sets exactly one end of the window."""
    return (body.valid_from is None) != (body.valid_until is None)


def with_other_end(body: UpdateRoom, room: Room) -> UpdateRoom:
    """Return `body` with the missing end of the window taken from `room`."""
    return structs.replace(
        body,
        valid_from=body.valid_from or room.valid_from,
        valid_until=body.valid_until or room.valid_until,
    )


def _dial_out(
    request: pb.CreateRoomRequest | CreateRoomWithGuestsRequest | pb.UpdateRoomRequest,
) -> bool | None:
    return request.pstn_dial_out_enabled if request.HasField("pstn_dial_out_enabled") else None
