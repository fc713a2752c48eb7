"""Positions in a list of rooms, also within a page, as page tokens."""

from __future__ import annotations

import hashlib

from acs.rooms.v1 import rooms_pb2 as pb
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from rooms_gateway.services.convert import page_tokens, timestamps


class Position:
    """The position of one list, from page to page.

    Within a page it has the mark of the last room that was sent: its time and a digest of its id.
    A number of rooms would not do, since the page may change before the list is resumed.
    """

    def __init__(self, token: str, *scope: str) -> None:
        """Start at `token` in the list named by `scope`. Raises InvalidPageTokenError."""
        self._scope = scope
        self.query, self._mark = page_tokens.decode_within(token, *scope)
        """`query` reads the current page; None is the first page."""

    def drop_sent(self, rooms: RepeatedCompositeFieldContainer[pb.Room]) -> None:
        """Remove the rooms of the current page up to the marked one.

        If that is no longer among them, remove those that are newer.
        """
        if not self._mark:
            return
        seconds, nanos, digest = self._mark.split(".")
        digests = [_digest(room) for room in rooms]
        if digest in digests:
            del rooms[: digests.index(digest) + 1]
        else:
            bound = int(seconds), int(nanos)
            for index in reversed(range(len(rooms))):
                created_at = rooms[index].created_at
                if (created_at.seconds, created_at.nanos) > bound:
                    del rooms[index]
        if rooms:
            self._mark = ""

    def after_room(self, room: pb.Room) -> str:
        """Return the token for the rest of the current page, after `room`."""
        created_at = room.created_at
        # Without a time, no room is newer: rooms are repeated rather than lost.
        seconds = created_at.seconds if room.HasField("created_at") else timestamps.MAX_SECONDS
        mark = f"{seconds}.{created_at.nanos}.{_digest(room)}"
        return page_tokens.encode_within(self.query, mark, *self._scope)

    def after_page(self, next_query: str | None) -> str:
        """Return the token for the next page; empty for None, the end of the list."""
        if self._mark and next_query is not None:
            # The marked room is on a later page, behind rooms that were created since.
            return page_tokens.encode_within(next_query, self._mark, *self._scope)
        return page_tokens.encode(next_query, *self._scope)


def _digest(room: pb.Room) -> str:
    return hashlib.blake2b(room.id.encode(), digest_size=8).hexdigest()
