"""Histogram of durations in plain numbers, converted to Prometheus buckets at each scrape.

The one of prometheus_client locks and checks labels per observation, which costs 10 % of a call.
Observations and scrapes run in the event loop, so no lock is needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Upper bounds of the buckets; OpenTelemetry advises them for RPC and HTTP."""

_BOUNDS = tuple(map(float, SECONDS))
_NAMES = (*map(str, _BOUNDS), "+Inf")


class Histogram:
    """Counts of durations by bucket."""

    __slots__ = ("counts", "seconds")

    def __init__(self, *parts: Histogram) -> None:
        """Start empty, or with the sum of `parts`."""
        self.counts: list[int] = [
            sum(part.counts[at] for part in parts) for at in range(len(_NAMES))
        ]
        """Observations per bucket, not cumulative; the last is above all bounds."""
        self.seconds: float = sum((part.seconds for part in parts), 0.0)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        # bisect_left: Prometheus bounds are inclusive.
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Return the buckets in exposition format: bound and cumulative count."""
        return zip(_NAMES, accumulate(self.counts), strict=True)
