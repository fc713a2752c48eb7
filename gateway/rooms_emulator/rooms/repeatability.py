"""Idempotent creates: a repeated `Repeatability-Request-ID` gets the first response again."""

from __future__ import annotations

import re
from collections import OrderedDict

from rooms_emulator import problems
from rooms_emulator.rooms.records import Room
from rooms_emulator.state.changes import Changes

_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RememberedCreates:
    """The rooms of creates with a request id, as they were created.

    `limit` is the number of creates to remember; beyond it the oldest is forgotten.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self.changes: Changes[str, Room] = Changes()
        """New creates, by request id."""

    def recall(self, request_id: str) -> Room | None:
        """Return the room of an earlier create with this id, if any.

        Raises ServiceError if the id is not a UUID with hyphens.
        """
        if not _UUID.fullmatch(request_id):
            raise problems.bad_request(problems.BAD_REPEATABILITY)
        return self._rooms.get(request_id.lower())

    def remember(self, request_id: str, room: Room) -> None:
        """Store the room of a create with this id."""
        self._rooms[request_id.lower()] = room
        if len(self._rooms) > self._limit:
            self._rooms.popitem(last=False)
        self.changes.save(request_id.lower(), room)

    def clear(self) -> None:
        """Forget all creates."""
        self._rooms.clear()
        self.changes.clear()

    def state(self) -> dict[str, Room]:
        """Return all creates, oldest first, for `apply`."""
        return dict(self._rooms)

    def changed_state(self) -> dict[str, Room]:
        """Return the creates since the previous call, for `apply`."""
        return self.changes.take().saved

    def apply(self, rooms: dict[str, Room]) -> None:
        """Add creates that another emulator remembers."""
        for request_id, room in rooms.items():
            self.remember(request_id, room)
