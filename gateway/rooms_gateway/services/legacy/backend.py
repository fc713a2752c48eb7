"""What LegacyRoomsService needs of the REST side, and what both ways of giving it share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from rooms_gateway.call import Call
from rooms_gateway.errors import AlreadyParticipantError, NotParticipantError, Violation
from rooms_gateway.upstream.legacy_models import RoomBody, RosteredRoom
from rooms_gateway.upstream.models import Participant, Roster


class LegacyRooms(Protocol):
    """The preview's operations, however they are done.

    Every method raises what those of RoomsApi do, and RosterTooLargeError where a roster is read.
    """

    async def create_room(self, body: RoomBody, repeatability_id: str, call: Call) -> RosteredRoom:
        """Make a room, once for one `repeatability_id`. Raises UnsupportedJoinPolicyError."""
        ...

    async def get_room(self, room_id: str, call: Call) -> RosteredRoom:
        """Read a room with its roster."""
        ...

    async def update_room(self, room_id: str, body: RoomBody, call: Call) -> RosteredRoom:
        """Change what `body` sets; a roster in it replaces the old one.

        Raises UnsupportedJoinPolicyError, before anything is sent.
        """
        ...

    async def delete_room(self, room_id: str, call: Call) -> None:
        """Delete a room."""
        ...

    async def add_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """Add all of `people`, or nobody: raises AlreadyParticipantError if some are there already."""
        ...

    async def update_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """Change all of `people`, or nobody: raises NotParticipantError if some are not there."""
        ...

    async def remove_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """Take `people` off the roster; those who are not on it are passed over."""
        ...

    async def get_participants(self, room_id: str, call: Call) -> list[Participant]:
        """Read the whole roster."""
        ...


def refuse_present(people: Roster, present: Collection[str]) -> None:
    """Raise AlreadyParticipantError that names those of `people` who are among `present`, raw ids.

    `people` are in the order of the request's field `participants`.
    """
    at_fault = [index for index, raw_id in enumerate(people) if raw_id in present]
    if at_fault:
        raise AlreadyParticipantError(
            f"{len(at_fault)} of the people to add are in the room already; nobody was added",
            *_named(at_fault, "is in the room already"),
        )


def refuse_absent(people: Roster, present: Collection[str]) -> None:
    """Raise NotParticipantError that names those of `people` who are not among `present`, raw ids."""
    at_fault = [index for index, raw_id in enumerate(people) if raw_id not in present]
    if at_fault:
        raise NotParticipantError(
            f"{len(at_fault)} of the people to change are not in the room; nobody was changed",
            *_named(at_fault, "is not in the room"),
        )


def _named(indexes: list[int], description: str) -> list[Violation]:
    return [Violation(f"participants[{index}]", description) for index in indexes]
