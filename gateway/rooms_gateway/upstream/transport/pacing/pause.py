"""Pauses of all requests of an operation family."""

from __future__ import annotations

import math

MAX_PAUSE = 30.0
"""Longest pause, in seconds; then one request is tried."""

CONTRADICTIONS = 3
"""Accepted requests, sent after the rejected one, that end its pause early."""


class Pause:
    """The last pause, which may be in progress."""

    def __init__(self) -> None:
        self.until = -math.inf
        """Its end, in seconds of the pacer's clock."""
        self.fruitless = 0
        """Pauses in a row without an accepted request between them."""
        self._began = -math.inf
        self._seconds_before = 0.0
        self._sent_at = -math.inf
        self._accepted = self._rejected = 0

    def begin(self, now: float, wait: float, sent_at: float) -> None:
        """Begin a pause of `wait` seconds for the rejection of a request sent at `sent_at`."""
        self._seconds_before = self.seconds(now)
        self._began, self.until = now, now + min(wait, MAX_PAUSE)
        self.fruitless += 1
        self._sent_at = sent_at
        self._accepted = self._rejected = 0

    def record(self, now: float, sent_at: float, *, accepted: bool) -> bool:
        """Record the response to a request that was sent before the pause.

        Return whether the pause must end, because requests sent after the rejected one were
        accepted: then the rejection was not that of a quota.
        """
        if now < self.until and sent_at >= self._sent_at:
            self._accepted += accepted
            self._rejected += not accepted
        return accepted and self._accepted >= max(CONTRADICTIONS, self._rejected / 2)

    def end(self, now: float) -> None:
        """End the pause early."""
        self.until = now
        self.fruitless = 0

    def seconds(self, now: float) -> float:
        """Return the length of all pauses until `now`, in seconds."""
        if self._began == -math.inf:
            return 0.0
        return self._seconds_before + min(now, self.until) - self._began
