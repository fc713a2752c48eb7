"""Who is in one room, in the order of joining."""

from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import msgspec

LARGEST_ROSTER: Final = 350
DEFAULT_ROLE: Final = "Attendee"


class RosterFullError(ValueError):
    """The change would leave more participants in a room than it can hold."""


class Participant(NamedTuple):
    """Somebody on a roster; ``place`` grows with everyone who joins and is never used again."""

    raw_id: str
    role: str
    place: int


class Roster(msgspec.Struct, frozen=True):
    """The participants of one room, by raw id, at one moment."""

    people: dict[str, Participant] = {}
    next_place: int = 0

    def changed(self, changes: Mapping[str, str | None]) -> Self:
        """Make the roster that a change leads to.

        Args:
            changes: raw id to new role, or to ``None`` to remove. Who is there keeps the place,
                who is new comes last, and removing who is not there does nothing.

        Raises:
            RosterFullError: too many participants would be left.

        """
        people = self.people.copy()
        next_place = self.next_place
        for raw_id, role in changes.items():
            if role is None:
                people.pop(raw_id, None)
            elif raw_id in people:
                people[raw_id] = people[raw_id]._replace(role=role)
            else:
                people[raw_id] = Participant(raw_id, role, next_place)
                next_place += 1
        if len(people) > LARGEST_ROSTER:
            raise RosterFullError
        return type(self)(people, next_place)

    def page(self, start: int, size: int) -> tuple[list[Participant], int | None]:
        """Give at most so many participants from a place on, and the place after them, if any."""
        rest = [participant for participant in self.people.values() if participant.place >= start]
        return rest[:size], rest[size].place if len(rest) > size else None
