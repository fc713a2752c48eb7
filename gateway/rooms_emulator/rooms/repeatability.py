"""Repeatable creates: the same Repeatability-Request-ID gets the first answer again."""

from collections import OrderedDict

from rooms_emulator import problems
from rooms_emulator.rooms import identifiers
from rooms_emulator.rooms.store import Room


class RememberedCreates:
    """The rooms that creates with a request id made, as they were then.

    Args:
        limit: how many are remembered; beyond it the oldest is forgotten.

    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._rooms: OrderedDict[str, Room] = OrderedDict()

    def recall(self, request_id: str) -> Room | None:
        """Find what an earlier create with this id made.

        Raises:
            ServiceError: the id is no UUID.

        """
        if not identifiers.is_uuid(request_id):
            raise problems.bad_request(problems.BAD_REPEATABILITY)
        return self._rooms.get(request_id.lower())

    def remember(self, request_id: str, room: Room) -> None:
        """Keep what a create with this id made."""
        self._rooms[request_id.lower()] = room
        if len(self._rooms) > self._limit:
            self._rooms.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._rooms.clear()
