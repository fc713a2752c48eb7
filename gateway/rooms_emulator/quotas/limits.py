"""The quotas in use, and the decision about each request.

A request is accepted if each quota of its operation allows it, and then counts in all of them. A
rejected request counts in those that are `counted`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.quotas.meters import FixedWindow, Meter, TokenBucket
from rooms_emulator.quotas.model import Quota, RetryAfter
from rooms_emulator.suggestions import unknown
from rooms_emulator.timestamps import TICKS_PER_SECOND

EVERY_REQUEST = "all"

_TICKS_PER_MILLISECOND = TICKS_PER_SECOND // 1000


class QuotaState(msgspec.Struct):
    """A quota in use, with its counters."""

    quota: str
    """The quota as it was given."""
    accepted: int = 0
    """Number of requests that it applied to and that were accepted."""
    rejected: int = 0
    """Number of requests that it rejected."""


class Rejection(NamedTuple):
    """A request that a quota rejects."""

    quota: str
    """The quota as it was given."""
    headers: Mapping[str, str]
    """Headers that name the wait."""


@dataclass(frozen=True, slots=True)
class _Limit:
    quota: Quota
    operations: Collection[str] | None
    """None for every request."""
    meter: Meter
    state: QuotaState


class Quotas:
    """The quotas in use, at most one for each operation and each operation family.

    `families` are the operations of each family. Time is that of `clock`.
    """

    def __init__(
        self, operations: Iterable[str], families: Mapping[str, Collection[str]], clock: Clock
    ) -> None:
        self._operations: Mapping[str, Collection[str] | None] = {
            **{operation: (operation,) for operation in operations},
            **families,
            EVERY_REQUEST: None,
        }
        self._clock = clock
        self._limits: dict[str, _Limit] = {}

    def replace(self, quotas: Iterable[str]) -> None:
        """Replace all quotas by `quotas`, in their text form, unused.

        Raises ValueError if one is malformed, names an unknown operation, or has the name of
        another one, and then changes nothing.
        """
        fresh: dict[str, _Limit] = {}
        for text in quotas:
            try:
                limit = self._limit(Quota.parse(text))
                if limit.quota.name in fresh:
                    raise ValueError(f"there is another quota for {limit.quota.name}: drop one")
            except ValueError as error:
                raise ValueError(f"quota {text[:100]!r}: {error}") from None
            fresh[limit.quota.name] = limit
        self._limits = fresh

    def list(self) -> tuple[QuotaState, ...]:
        """Return the quotas in use, with their counters."""
        return tuple(limit.state for limit in self._limits.values())

    def clear(self) -> None:
        """Remove all quotas."""
        self._limits = {}

    def take(self, operation: str) -> Rejection | None:
        """Count a request for `operation`; return its rejection, or None if it is accepted."""
        now = self._clock.now()
        limits = [
            limit
            for limit in self._limits.values()
            if limit.operations is None or operation in limit.operations
        ]
        exhausted = [limit for limit in limits if limit.meter.wait(now)]
        for limit in limits:
            if limit.quota.counted or not exhausted:
                limit.meter.take()
        if not exhausted:
            for limit in limits:
                limit.state.accepted += 1
            return None
        # Only now, because a counted request can make the wait longer.
        longest = max(exhausted, key=lambda limit: limit.meter.wait(now))
        longest.state.rejected += 1
        headers = _RETRY_AFTER[longest.quota.retry_after](longest.meter.wait(now), now)
        return Rejection(longest.quota.text, headers)

    def _limit(self, quota: Quota) -> _Limit:
        if quota.name not in self._operations:
            raise ValueError(unknown("operation", quota.name, self._operations))
        meter = FixedWindow if quota.window else TokenBucket
        return _Limit(
            quota,
            self._operations[quota.name],
            meter(quota.count, quota.period),
            QuotaState(quota.text),
        )


def _rounded_up(ticks: int, unit: int) -> int:
    return -(-ticks // unit)


def _milliseconds(wait: int) -> int:
    return _rounded_up(wait, _TICKS_PER_MILLISECOND)


def _seconds(wait: int) -> int:
    return _rounded_up(wait, TICKS_PER_SECOND)


def _date(wait: int, now: int) -> str:
    return timestamps.render_http_date(_seconds(now + wait) * TICKS_PER_SECOND)


_RETRY_AFTER: Mapping[RetryAfter, Callable[[int, int], Mapping[str, str]]] = {
    "seconds": lambda wait, _: {"Retry-After": str(_seconds(wait))},
    "fraction": lambda wait, _: {"Retry-After": str(_milliseconds(wait) / 1000)},
    "date": lambda wait, now: {"Retry-After": _date(wait, now)},
    "ms": lambda wait, _: {"retry-after-ms": str(_milliseconds(wait))},
    "x-ms": lambda wait, _: {"x-ms-retry-after-ms": str(_milliseconds(wait))},
    "none": lambda _wait, _now: {},
}
