"""Meters: the used part of a quota over time. Instants and waits are in ticks, see `timestamps`.

A clock that is moved back takes nothing from a bucket, and begins a new window.
"""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """The used part of one quota."""

    def wait(self, now: int) -> int:
        """Return the time until a request is allowed; 0 if one is allowed now."""
        ...

    def take(self) -> None:
        """Count a request, at the instant that `wait` was last called with."""
        ...


class TokenBucket:
    """Holds up to `count` tokens, at first all, and gains `count` tokens per `period`."""

    def __init__(self, count: int, period: int) -> None:
        # In parts of a token: `period` of them make a token, and each tick adds `count` of them,
        # so that the arithmetic is exact.
        self._gain, self._token = count, period
        self._level = self._capacity = count * period
        self._updated_at = 0

    def wait(self, now: int) -> int:
        """Return the time until there is a token."""
        gained = max(now - self._updated_at, 0) * self._gain
        self._level = min(self._level + gained, self._capacity)
        self._updated_at = now
        return max(-((self._level - self._token) // self._gain), 0)

    def take(self) -> None:
        """Take a token, or the part of one that is left."""
        self._level = max(self._level - self._token, 0)


class FixedWindow:
    """Allows `count` requests in a window of `period`, which the first of them opens."""

    def __init__(self, count: int, period: int) -> None:
        self._count, self._period = count, period
        self._used, self._start = 0, -period

    def wait(self, now: int) -> int:
        """Return the time until the end of the window if it is used up."""
        end = self._start + self._period
        if not self._start <= now < end:
            self._used = 0
        elif self._used >= self._count:
            return end - now
        if self._used == 0:
            self._start = now
        return 0

    def take(self) -> None:
        """Count a request in the window."""
        self._used += 1
