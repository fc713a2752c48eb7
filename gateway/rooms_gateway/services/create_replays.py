"""Detection of replays: a create that returned the room of an earlier create with the same id.

The Rooms service returns the same response to both. They differ in two ways: the gateway remembers
the creates that it has sent, and the room of a replay is older than the call.
"""

from __future__ import annotations

from collections import OrderedDict

from acs.rooms.v1.rooms_pb2 import Room

# The Rooms service reports its time in whole seconds, and `createdAt` is up to half a second after
# the request arrived.
_MARGIN = 1.0


class ReplayDetector:
    """Remembers recent creates by request id."""

    def __init__(self, limit: int = 10_000) -> None:
        """Remember the latest `limit` creates."""
        self._limit = limit
        self._room_ids: OrderedDict[str, str] = OrderedDict()

    def is_replay(self, request_id: str, room: Room, age_limit: float) -> bool:
        """Return whether `room` existed before the create `request_id`, and remember the create.

        `age_limit` is that of `rooms_gateway.upstream.rooms_api.CreatedRoom`.
        """
        known = self._room_ids.get(request_id) == room.id
        self._room_ids[request_id] = room.id
        if len(self._room_ids) > self._limit:
            self._room_ids.popitem(last=False)
        old = room.HasField("created_at") and room.created_at.seconds < age_limit - _MARGIN
        return known or old
