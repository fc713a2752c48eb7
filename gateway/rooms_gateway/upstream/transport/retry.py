"""When to send a request again, and after how long. Pure rules; the transport carries them out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

AMBIGUOUS_STATUSES = RETRYABLE_STATUSES - {429}
"""After these the service may have acted all the same; a throttled request was turned away."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, and the service's own word above it."""

    max_attempts: int = 4
    """Attempts for one call, the first included."""
    base: float = 0.1
    """Upper bound of the first wait, in seconds; it doubles with every attempt."""
    cap: float = 5.0
    """Upper bound of any wait that we choose ourselves, in seconds."""
    retry_after_cap: float = 30.0
    """The longest `Retry-After` that is waited for, in seconds; a longer one ends the call."""
    uniform: Callable[[float, float], float] = random.uniform

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Return the seconds to wait after attempt number `attempt` failed, or None to give up."""
        if attempt >= self.max_attempts:
            return None
        jitter = self.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))
        if retry_after is None:
            return jitter
        # Jitter on top: those who were told the same time must not all come back at once.
        return retry_after + min(jitter, self.base) if retry_after <= self.retry_after_cap else None


class RetryBudget:
    """Keeps retries a small share of calls, so that an outage is not made worse by them.

    Every call pays `ratio` in, every retry takes 1 out, and at most `reserve` is saved up: over
    many calls a full outage costs the service 1 + `ratio` requests a call.
    """

    def __init__(self, ratio: float = 0.1, reserve: float = 50.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._balance = reserve

    @property
    def balance(self) -> float:
        """How many retries are left."""
        return self._balance

    def deposit(self) -> None:
        """Count a call."""
        self._balance = min(self._reserve, self._balance + self._ratio)

    def withdraw(self) -> bool:
        """Take one retry out; False if there is none left."""
        if self._balance < 1:
            return False
        self._balance -= 1
        return True


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` (RFC 9110, section 10.2.3) as seconds from `now`, an epoch time.

    None when there is none, or it cannot be read.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    when = http_date(text)
    return None if when is None else max(0.0, when - now)


def http_date(text: str) -> float | None:
    """Read an HTTP date as seconds since the epoch; None if it is not one."""
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
