"""The emulator's time: real, shifted, or standing still."""

import time
from collections.abc import Callable
from typing import Final

from rooms_emulator import timestamps
from rooms_emulator.timestamps import TICKS_PER_SECOND

_NANOSECONDS_PER_TICK: Final = 100
_FARTHEST_SECONDS: Final = 1e12
_OUT_OF_RANGE: Final = "the clock must stay within the years 1970 to 9998"


class Clock:
    """Tells the time of the emulated service, which tests may shift and stop.

    Everything that depends on time asks this clock: default windows, the check of ``x-ms-date``,
    ``createdAt``, and the ``Date`` of every answer.

    Args:
        source: tells the real time in nanoseconds since 1970, as ``time.time_ns`` does.

    """

    def __init__(self, source: Callable[[], int] = time.time_ns) -> None:
        self._source = source
        self._offset = 0
        self._stopped_at: int | None = None

    def now(self) -> int:
        """Tell the instant, in ticks (see ``timestamps``)."""
        return self._at(self._real())

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._stopped_at is not None

    @property
    def offset_seconds(self) -> float:
        """How far the clock is ahead of the real time, in seconds."""
        real = self._real()
        return (self._at(real) - real) / TICKS_PER_SECOND

    def freeze(self) -> None:
        """Stand still."""
        self._stopped_at = self.now()

    def resume(self) -> None:
        """Go on from where the clock stands."""
        real = self._real()
        self._offset = self._at(real) - real
        self._stopped_at = None

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back if negative.

        Raises:
            ValueError: the clock would leave the years 1970 to 9998.

        """
        real = self._real()
        self._set(real, self._at(real) - real + _ticks(seconds))

    def set_offset(self, seconds: float) -> None:
        """Set the clock so far ahead of the real time, or behind it if negative.

        Raises:
            ValueError: the clock would leave the years 1970 to 9998.

        """
        self._set(self._real(), _ticks(seconds))

    def reset(self) -> None:
        """Go back to the real time."""
        self._offset = 0
        self._stopped_at = None

    def _real(self) -> int:
        return self._source() // _NANOSECONDS_PER_TICK

    def _at(self, real: int) -> int:
        return real + self._offset if self._stopped_at is None else self._stopped_at

    def _set(self, real: int, offset: int) -> None:
        instant = real + offset
        # A year of room at the end, because windows reach beyond the present.
        if instant < 0 or not timestamps.in_range(instant + 365 * timestamps.TICKS_PER_DAY):
            raise ValueError(_OUT_OF_RANGE)
        if self.frozen:
            self._stopped_at = instant
        else:
            self._offset = offset


def _ticks(seconds: float) -> int:
    # Also refuses what is not a number or infinite, which has no number of ticks.
    if not abs(seconds) <= _FARTHEST_SECONDS:
        raise ValueError(_OUT_OF_RANGE)
    return round(seconds * TICKS_PER_SECOND)
