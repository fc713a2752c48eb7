"""The requests that a pacer may send at once."""

from __future__ import annotations

import math

BURST = 0.1
"""Seconds of the rate that may be sent at once."""


class TokenBucket:
    """Tokens, each the right to send a request, that are added at a rate."""

    def __init__(self, now: float) -> None:
        self.tokens = 1.0
        self._filled_at = now

    def restart(self, at: float) -> None:
        """Have one token, and add more from the instant `at` on."""
        self.tokens = 1.0
        self._filled_at = at

    def fill(self, now: float, rate: float) -> None:
        """Add the tokens of the time since the last call."""
        since = now - self._filled_at
        if since <= 0:
            return
        self._filled_at = now
        if math.isfinite(rate):
            capacity = max(1.0, rate * BURST, self.tokens)
            self.tokens = min(capacity, self.tokens + since * rate)

    def take(self, now: float, rate: float) -> bool:
        """Take a token; return whether there was one. At an infinite rate there always is."""
        if math.isinf(rate):
            return True
        self.fill(now, rate)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def wait(self, rate: float) -> float:
        """Return the seconds until there is a token."""
        return 0.0 if math.isinf(rate) else max(0.0, 1 - self.tokens) / rate
