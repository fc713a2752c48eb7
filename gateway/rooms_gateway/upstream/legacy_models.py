"""The JSON of the preview api-version 2022-02-01, where it differs from that of today.

Read as tolerantly as in `models`. The two classes at the end do not travel: they are what both ways
of serving the preview's operations take and give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from rooms_gateway.upstream.models import Participant, Room, Roster

INVITE_ONLY: Final = "InviteOnly"
COMMUNICATION_SERVICE_USERS: Final = "CommunicationServiceUsers"


class CommunicationUser(msgspec.Struct, frozen=True):
    """CommunicationUserIdentifierModel."""

    id: str


class CommunicationIdentifier(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentifierModel: one of the two in requests, both in answers."""

    raw_id: str | None = None
    communication_user: CommunicationUser | None = None


class LegacyParticipant(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """RoomParticipant; without a role the service makes the person an attendee."""

    communication_identifier: CommunicationIdentifier
    role: str | None = None


class LegacyRoom(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel."""

    id: str
    created_date_time: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    room_join_policy: str | None = None
    participants: list[LegacyParticipant] = []


class LegacyRoomRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CreateRoomRequest and UpdateRoomRequest; what is None is not sent."""

    valid_from: str | None = None
    valid_until: str | None = None
    room_join_policy: str | None = None
    participants: list[LegacyParticipant] | None = None


class LegacyRoster(msgspec.Struct, frozen=True):
    """ParticipantsCollection, and the request that adds, updates or removes participants."""

    participants: list[LegacyParticipant]


def participants_of(roster: Roster) -> list[LegacyParticipant]:
    """Write a roster, or people to remove, as the preview's list."""
    return [
        # As the preview's own clients did: rooms take no other kind than communication users.
        LegacyParticipant(
            CommunicationIdentifier(communication_user=CommunicationUser(raw_id)),
            person.role if person else None,
        )
        for raw_id, person in roster.items()
    ]


def roster_from(participants: list[LegacyParticipant]) -> list[Participant]:
    """Read the preview's list."""
    return [
        Participant(_raw_id(each.communication_identifier), each.role or "")
        for each in participants
    ]


def _raw_id(identifier: CommunicationIdentifier) -> str:
    user = identifier.communication_user
    return identifier.raw_id or (user.id if user else "")


@dataclass(frozen=True, slots=True)
class RoomBody:
    """What a create or an update sets; None is unset."""

    valid_from: str | None = None
    valid_until: str | None = None
    join_policy: str | None = None
    roster: Roster | None = None
    """A whole roster; nobody in it is None."""


@dataclass(frozen=True, slots=True)
class RosteredRoom:
    """A room with its roster."""

    room: Room
    join_policy: str
    participants: list[Participant] = field(default_factory=list)
