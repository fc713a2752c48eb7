"""JSON models of responses; members are in the order of the wire."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from rooms_emulator import timestamps
from rooms_emulator.rooms.records import Participant, Room
from rooms_emulator.rooms.versions import ApiVersion


class RoomModel(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel of the REST API."""

    id: str
    created_at: str
    valid_from: str
    valid_until: str
    pstn_dial_out_enabled: bool | UnsetType = UNSET


class RoomParticipant(msgspec.Struct, frozen=True, rename="camel"):
    """RoomParticipant of the REST API."""

    raw_id: str
    role: str


class Collection(msgspec.Struct, frozen=True, rename="camel"):
    """RoomsCollection and ParticipantsCollection; the last page has no `nextLink`."""

    value: list[RoomModel] | list[RoomParticipant]
    next_link: str | UnsetType = UNSET


class Empty(msgspec.Struct, frozen=True):
    """The empty object in the response to a change of participants."""


def of_room(room: Room, version: ApiVersion) -> RoomModel:
    """Return the model of a room with the members of `version`."""
    return RoomModel(
        room.id,
        timestamps.render(room.created_at),
        timestamps.render(room.valid_from),
        timestamps.render(room.valid_until),
        room.pstn_dial_out_enabled if version.has_pstn_dial_out else UNSET,
    )


def of_participant(participant: Participant) -> RoomParticipant:
    """Return the model of a participant."""
    return RoomParticipant(participant.raw_id, participant.role)
