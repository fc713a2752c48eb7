"""Whether a create made a room, or the service answered with one that an earlier create had made.

The service answers both alike. Two things tell them apart: this gateway's memory of what it has
sent, and the age of the room.
"""

from __future__ import annotations

from collections import OrderedDict

from acs.rooms.v1.rooms_pb2 import Room

# The service tells its time in whole seconds, and stores a room up to half a second after it has
# taken the request.
_MARGIN = 1.0


class ReplayDetector:
    """The creates that this gateway has sent lately."""

    def __init__(self, limit: int = 10_000) -> None:
        """Remember at most `limit` of them, the latest."""
        self._limit = limit
        self._rooms: OrderedDict[str, str] = OrderedDict()

    def is_replay(self, request_id: str, room: Room, age_limit: float) -> bool:
        """Say whether `room`, the answer to the create `request_id`, was there before it.

        `age_limit` is as in `rooms_gateway.upstream.rooms_api.CreatedRoom`. Remembers the create.
        """
        known = self._rooms.get(request_id) == room.id
        self._rooms[request_id] = room.id
        if len(self._rooms) > self._limit:
            self._rooms.popitem(last=False)
        old = room.HasField("created_at") and room.created_at.seconds < age_limit - _MARGIN
        return known or old
