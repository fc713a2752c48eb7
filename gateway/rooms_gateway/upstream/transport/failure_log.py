"""Log lines about attempts without a response, at a limited rate."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import AttemptError

INTERVAL = 60.0
"""Seconds between two lines about the same cause."""

logger = logging.getLogger(__name__)


class FailureLog:
    """Logs each cause when it first occurs, and then at most once per INTERVAL, with a count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self._logged_at: dict[AttemptFailure, float] = {}
        self._suppressed: Counter[AttemptFailure] = Counter()
        self.failing = False
        """Whether a failure was logged after the last response."""

    def add(self, error: AttemptError) -> None:
        """Log `error`, or count it if its cause was logged within INTERVAL."""
        kind, now = error.kind, self._clock()
        if now - self._logged_at.get(kind, -INTERVAL) < INTERVAL:
            self._suppressed[kind] += 1
            return
        self._logged_at[kind] = now
        self.failing = True
        count = self._suppressed.pop(kind, 0)
        logger.warning(
            "no response from %s%s", error, f" ({count} more since the last line)" if count else ""
        )

    def end(self) -> None:
        """Log that there is a response after failures."""
        self.failing = False
        logger.info("the Rooms service responds again")
