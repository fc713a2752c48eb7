"""Retry rules: which statuses to retry, after which wait, within which budget."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRYABLE_STATUSES = frozenset({408, 500, 502, 503, 504})
"""Statuses after which a request is repeated, and may have taken effect.

Status 429 is the pacer's: a throttled request is no attempt, and has not taken effect."""

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter; a `Retry-After` of the upstream takes precedence."""

    max_attempts: int = 4
    """Attempts per call, including the first."""
    base: float = 0.1
    """Upper bound of the first backoff, in seconds; doubles with every attempt."""
    cap: float = 5.0
    """Upper bound of every backoff, in seconds."""
    retry_after_cap: float = 30.0
    """Longest accepted `Retry-After`, in seconds; a longer one ends the call."""
    uniform: Callable[[float, float], float] = random.uniform

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Return the wait after failed attempt number `attempt`, in seconds; None: no retry."""
        if attempt >= self.max_attempts:
            return None
        jitter = self.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))
        if retry_after is None:
            return jitter
        # Jitter on top, so that calls with the same Retry-After are not retried in one wave.
        return retry_after + min(jitter, self.base) if retry_after <= self.retry_after_cap else None


class RetryBudget:
    """Limits retries to a share of calls, so that they do not prolong an outage.

    Every call adds `ratio`, every retry takes 1, and the balance never exceeds `reserve`: in a long
    outage the upstream receives 1 + `ratio` requests per call.
    """

    def __init__(self, ratio: float = 0.1, reserve: float = 50.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._balance = reserve

    @property
    def balance(self) -> float:
        """Retries left."""
        return self._balance

    def deposit(self) -> None:
        """Add the share of one call."""
        self._balance = min(self._reserve, self._balance + self._ratio)

    def withdraw(self) -> bool:
        """Take one retry; return False if none is left."""
        if self._balance < 1:
            return False
        self._balance -= 1
        return True


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the wait that a response requests, in seconds from `now`, an epoch time.

    Reads the headers of Azure's services in milliseconds and `Retry-After` (RFC 9110, section
    10.2.3), also with a fraction of seconds. Returns None if all are missing or malformed.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(headers.get(name, ""))
        if milliseconds is not None:
            return milliseconds / 1000
    text = headers.get("Retry-After", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    when = http_date(text.strip())
    return None if when is None else max(0.0, when - now)


def _number(text: str) -> float | None:
    # Stripped for both: float() does not strip each character that str.strip() does.
    stripped = text.strip()
    return float(stripped) if _DECIMAL.fullmatch(stripped) else None


def http_date(text: str) -> float | None:
    """Return an HTTP date in seconds since the epoch; None if it is malformed."""
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
