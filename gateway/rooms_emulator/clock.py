"""Clock of the emulated services: real, shifted or frozen."""

from __future__ import annotations

import time
from collections.abc import Callable

from rooms_emulator import timestamps
from rooms_emulator.timestamps import TICKS_PER_SECOND

_NANOSECONDS_PER_TICK = 100
_MAX_SHIFT_SECONDS = 1e12
_OUT_OF_RANGE = "the clock must stay within the years 1970 to 9998"


class Clock:
    """Time of the emulated services, which tests can shift and freeze.

    Default windows, the check of signed dates, `createdAt` and the `Date` of every response depend
    on it. `source` returns the real time in nanoseconds since 1970, as `time.time_ns` does.
    """

    def __init__(self, source: Callable[[], int] = time.time_ns) -> None:
        self._source = source
        self._offset = 0
        self._frozen_at: int | None = None

    def now(self) -> int:
        """Return the current instant, in ticks (see `timestamps`)."""
        return self._at(self._real())

    @property
    def frozen(self) -> bool:
        """Whether the clock is frozen."""
        return self._frozen_at is not None

    @property
    def offset_seconds(self) -> float:
        """Difference to the real time, in seconds; positive if the clock is ahead."""
        real = self._real()
        return (self._at(real) - real) / TICKS_PER_SECOND

    def freeze(self) -> None:
        """Stop the clock at the current instant."""
        self._frozen_at = self.now()

    def resume(self) -> None:
        """Let a frozen clock run on from its instant."""
        real = self._real()
        self._offset = self._at(real) - real
        self._frozen_at = None

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back if `seconds` is negative.

        Raises ValueError if the clock would leave the years 1970 to 9998.
        """
        real = self._real()
        self._set(real, self._at(real) - real + _ticks(seconds))

    def set_offset(self, seconds: float) -> None:
        """Set the clock ahead of the real time, or behind it if `seconds` is negative.

        Raises ValueError if the clock would leave the years 1970 to 9998.
        """
        self._set(self._real(), _ticks(seconds))

    def reset(self) -> None:
        """Return to the real time."""
        self._offset = 0
        self._frozen_at = None

    def _real(self) -> int:
        return self._source() // _NANOSECONDS_PER_TICK

    def _at(self, real: int) -> int:
        return real + self._offset if self._frozen_at is None else self._frozen_at

    def _set(self, real: int, offset: int) -> None:
        instant = real + offset
        # One year of margin at the end, because the windows of rooms reach beyond the present.
        if instant < 0 or not timestamps.in_range(instant + 365 * timestamps.TICKS_PER_DAY):
            raise ValueError(_OUT_OF_RANGE)
        if self.frozen:
            self._frozen_at = instant
        else:
            self._offset = offset


def _ticks(seconds: float) -> int:
    # The negated comparison also rejects NaN, which `round` cannot convert.
    if not abs(seconds) <= _MAX_SHIFT_SECONDS:
        raise ValueError(_OUT_OF_RANGE)
    return round(seconds * TICKS_PER_SECOND)
