"""The filter of a list of rooms, as conditions on converted rooms.

Not on the text of the REST API, in which times have zero to seven fractional digits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from acs.rooms.v1 import rooms_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.convert import timestamps
from rooms_gateway.upstream.models import Room

_Bound: TypeAlias = Literal["valid_at", "created_after", "created_before", "valid_until_before"]
_Moment: TypeAlias = Literal["created_at", "valid_from", "valid_until"]

_COMPARISONS: tuple[tuple[_Bound, _Moment, Callable[[int, int], bool]], ...] = (
    ("valid_at", "valid_from", operator.le),
    ("valid_at", "valid_until", operator.gt),
    ("created_after", "created_at", operator.gt),
    ("created_before", "created_at", operator.lt),
    ("valid_until_before", "valid_until", operator.lt),
)
"""Field of the filter, field of the room, and the comparison of the room's with the filter's."""


class RoomConditions:
    """The conditions that a RoomFilter sets; none of them select all rooms."""

    def __init__(self, room_filter: pb.RoomFilter) -> None:
        """Check and keep the conditions. Raises InvalidRequestError, naming the field."""
        self._comparisons: list[tuple[_Moment, Callable[[int, int], bool], int, int]] = []
        for bound, moment, holds in _COMPARISONS:
            if room_filter.HasField(bound):
                time: Timestamp = getattr(room_filter, bound)
                timestamps.check(time, f"filter.{bound}")
                self._comparisons.append((moment, holds, time.seconds, time.nanos))
        self._created_after = (
            _instant(room_filter.created_after) if room_filter.HasField("created_after") else None
        )
        if (
            self._created_after is not None
            and room_filter.HasField("created_before")
            and self._created_after >= _instant(room_filter.created_before)
        ):
            # It is a mistake, such as two swapped times, which an empty list would not show.
            raise InvalidRequestError(
                Violation("filter.created_before", "must be later than created_after")
            )
        self._dial_out = (
            room_filter.pstn_dial_out_enabled
            if room_filter.HasField("pstn_dial_out_enabled")
            else None
        )
        self.scope = ",".join(
            f"{field.number}:{_text(value)}" for field, value in room_filter.ListFields()
        )
        """Text that is equal for equal filters; empty without conditions."""

    def match(self, room: pb.Room) -> bool:
        """Return whether `room` fulfils all conditions; without a field that is needed, no."""
        for moment, holds, seconds, nanos in self._comparisons:
            time: Timestamp = getattr(room, moment)
            # As few accesses as possible, each of which takes some 100 ns: an unset time has no
            # seconds, and nanoseconds matter within a second only.
            found = time.seconds
            if not found and not room.HasField(moment):
                return False
            if not (holds(found, seconds) if found != seconds else holds(time.nanos, nanos)):
                return False
        if self._dial_out is None:
            return True
        is_set = room.HasField("pstn_dial_out_enabled")
        return is_set and room.pstn_dial_out_enabled == self._dial_out

    def end_after(self, page: Sequence[Room]) -> bool:
        """Return whether no room after `page` can match, because rooms come newest first.

        Its last room decides, so that a page which is not in order loses none of its rooms.
        """
        if self._created_after is None or not page:
            return False
        created_at = timestamps.from_rest(page[-1].created_at)
        return created_at is not None and _instant(created_at) <= self._created_after


def _instant(time: Timestamp) -> tuple[int, int]:
    return time.seconds, time.nanos


def _text(value: Timestamp | bool) -> str:
    return str(value) if isinstance(value, bool) else f"{value.seconds}.{value.nanos}"
