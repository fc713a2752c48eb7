"""The JSON of the Rooms REST API as types: one class for each shape that travels.

Read tolerantly, since the service may add members: unknown ones are ignored, and of those that are
known only the ones without which an answer means nothing are required.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Room(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel. Times stay text here: they have seven fractional digits."""

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
    """RoomsCollection and ParticipantsCollection: items, and a link unless it is the last page."""

    value: list[T]
    next_link: str | None = None


RoomsPage = Page[Room]
ParticipantsPage = Page[Participant]


class ParticipantProperties(msgspec.Struct, frozen=True, omit_defaults=True):
    """ParticipantProperties; without a role the service makes the person an attendee."""

    role: str | None = None


Roster = dict[str, ParticipantProperties | None]
"""Raw id to properties; in a PATCH, null removes the person."""


class CreateRoom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CreateRoomRequest; what is None is not sent."""

    valid_from: str | None = None
    valid_until: str | None = None
    pstn_dial_out_enabled: bool | None = None
    participants: Roster = {}


class UpdateRoom(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """UpdateRoomRequest; what is None is not sent and stays as it is."""

    valid_from: str | None = None
    valid_until: str | None = None
    pstn_dial_out_enabled: bool | None = None


class UpdateParticipants(msgspec.Struct, frozen=True):
    """UpdateParticipantsRequest."""

    participants: Roster


class ErrorDetail(msgspec.Struct, frozen=True):
    """One member of `error.details`."""

    message: str = ""
    target: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The member `error` of an error answer."""

    code: str = ""
    message: str = ""
    details: list[ErrorDetail] | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The body of every error answer."""

    error: ErrorBody
