"""Values in the store: rooms, participants and rosters, each as of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, Self, TypeVar

import msgspec

MAX_PARTICIPANTS = 350
DEFAULT_ROLE = "Attendee"
DEFAULT_JOIN_POLICY = "InviteOnly"

T = TypeVar("T")


class RosterFullError(ValueError):
    """A change that would leave more participants in a room than it can hold."""


class Room(msgspec.Struct, frozen=True):
    """A room; its instants are in ticks (see `timestamps`)."""

    id: str
    created_at: int
    valid_from: int
    valid_until: int
    pstn_dial_out_enabled: bool
    join_policy: str = DEFAULT_JOIN_POLICY


class Participant(NamedTuple):
    """A participant; `position` grows in the order of joining and is never reused."""

    raw_id: str
    role: str
    position: int


class Page(NamedTuple, Generic[T]):
    """One page of a list, and the start of the next page; None after the last."""

    items: list[T]
    next: int | None


class Effect(NamedTuple):
    """A change of a room or its roster; `number` grows in the order of the changes."""

    number: int
    room: str


class Roster(msgspec.Struct, frozen=True):
    """The participants of one room, by raw id, in the order of joining."""

    participants: dict[str, Participant] = {}
    next_position: int = 0

    def changed(self, changes: Mapping[str, str | None]) -> Self:
        """Return the roster with `changes` applied: raw id to role, or to None to remove.

        A present participant keeps the position, a new one comes last, and removing an absent one
        does nothing. Raises RosterFullError if too many participants would be left.
        """
        participants = self.participants.copy()
        next_position = self.next_position
        for raw_id, role in changes.items():
            if role is None:
                participants.pop(raw_id, None)
            elif raw_id in participants:
                participants[raw_id] = participants[raw_id]._replace(role=role)
            else:
                participants[raw_id] = Participant(raw_id, role, next_position)
                next_position += 1
        if len(participants) > MAX_PARTICIPANTS:
            raise RosterFullError
        return type(self)(participants, next_position)

    def page(self, start: int, size: int) -> Page[Participant]:
        """Return up to `size` participants from the position `start` on."""
        rest = [each for each in self.participants.values() if each.position >= start]
        return Page(rest[:size], rest[size].position if len(rest) > size else None)
