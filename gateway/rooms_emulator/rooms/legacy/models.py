"""JSON models of responses of api-version 2022-02-01; members are in the order of the wire."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rooms_emulator import timestamps
from rooms_emulator.rooms.records import Participant, Room


class CommunicationUser(msgspec.Struct, frozen=True):
    """CommunicationUserIdentifierModel of the REST API."""

    id: str


class CommunicationIdentifier(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentifierModel of the REST API."""

    raw_id: str
    communication_user: CommunicationUser


class LegacyParticipant(msgspec.Struct, frozen=True, rename="camel"):
    """RoomParticipant of the REST API."""

    communication_identifier: CommunicationIdentifier
    role: str


class LegacyRoom(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel of the REST API."""

    id: str
    created_date_time: str
    valid_from: str
    valid_until: str
    room_join_policy: str
    participants: list[LegacyParticipant]


class LegacyRoster(msgspec.Struct, frozen=True):
    """ParticipantsCollection of the REST API."""

    participants: list[LegacyParticipant]


def of_room(room: Room, roster: Iterable[Participant]) -> LegacyRoom:
    """Return the model of a room with its roster."""
    return LegacyRoom(
        room.id,
        timestamps.render(room.created_at),
        timestamps.render(room.valid_from),
        timestamps.render(room.valid_until),
        room.join_policy,
        _participants(roster),
    )


def of_roster(roster: Iterable[Participant]) -> LegacyRoster:
    """Return the model of a roster."""
    return LegacyRoster(_participants(roster))


def _participants(roster: Iterable[Participant]) -> list[LegacyParticipant]:
    return [
        LegacyParticipant(
            CommunicationIdentifier(each.raw_id, CommunicationUser(each.raw_id)), each.role
        )
        for each in roster
    ]
