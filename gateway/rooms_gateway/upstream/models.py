"""JSON bodies of the Rooms REST API as types.

Decoding is tolerant, since the upstream may add members: unknown members are ignored, and only
members without which a response is meaningless are required.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


ROLES = ("Presenter", "Attendee", "Consumer", "Collaborator")
"""The roles of the newest api-version."""

MAX_LIFETIME = 180 * 86_400
"""Longest window of a room, in seconds."""


class Room(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel. Times stay text, because they have seven fractional digits."""

    id: str
    created_at: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    pstn_dial_out_enabled: bool | None = None


class Participant(msgspec.Struct, frozen=True, rename="camel"):
    """RoomParticipant."""

    raw_id: str
    role: str = ""


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """RoomsCollection and ParticipantsCollection. The last page has no link."""

    value: list[T]
    next_link: str | None = None


RoomsPage = Page[Room]
ParticipantsPage = Page[Participant]


class ParticipantProperties(msgspec.Struct, frozen=True, omit_defaults=True):
    """ParticipantProperties. Without a role, the upstream assigns Attendee."""

    role: str | None = None


Roster = dict[str, ParticipantProperties | None]
"""Raw id to properties; in a PATCH, null removes the participant."""


class CreateRoom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CreateRoomRequest. Members that are None are not sent."""

    valid_from: str | None = None
    valid_until: str | None = None
    pstn_dial_out_enabled: bool | None = None
    participants: Roster = {}


class UpdateRoom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """UpdateRoomRequest. Members that are None are not sent and stay unchanged."""

    valid_from: str | None = None
    valid_until: str | None = None
    pstn_dial_out_enabled: bool | None = None


class UpdateParticipants(msgspec.Struct, frozen=True):
    """UpdateParticipantsRequest."""

    participants: Roster
