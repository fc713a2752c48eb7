"""The rate that the upstream accepts, learned from the responses of one operation family.

The rules and their constants were chosen by simulation; tests/unit/upstream/test_pacing.py has the
quotas that they were tried on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_RATE = 5.0
"""Requests per second until the first one after a pause is accepted."""

LOWEST_RATE = 0.1
"""Lowest learned rate, in requests per second."""

MIN_LENGTH, MIN_RESPONSES = 1.0, 5
"""Length in seconds, and number of responses, of the periods that are judged."""

LIMITED_SHARE = 0.1
"""Share of rejected requests above which a period shows a rate limit."""

HOPELESS_SHARE = 0.9
"""Share of rejected requests above which the accepted ones do not show the limit."""

REDUCED, SAME_SHARE = 0.75, 0.6
"""If fewer than REDUCED of the requests lead to more than SAME_SHARE of the share of rejections,
they do not depend on the rate."""

OFF = 30.0
"""Seconds for which pacing is then off."""

WINDOW_SHARE = 0.9
"""Share of the requests accepted between two pauses that is sent at once after the second."""


@dataclass(slots=True)
class Period:
    """Responses since an instant."""

    start: float
    accepted: int = 0
    rejected: int = 0
    early: int = 0
    """Accepted before the first rejection."""
    counts_earlier: bool = False
    """Whether rejected requests count that were sent before the period, at another rate."""
    leftover: int = 0
    """Accepted, but sent before the period: they show nothing about the rate in it."""

    @property
    def total(self) -> int:
        """Number of responses."""
        return self.accepted + self.rejected

    @property
    def share(self) -> float:
        """Share of rejected requests."""
        return self.rejected / max(1, self.total - self.leftover)

    @property
    def late(self) -> int:
        """Accepted after the first rejection."""
        return self.accepted - self.early

    @property
    def drained(self) -> bool:
        """Whether it began with a burst, which shows more than the upstream accepts for long."""
        return self.early > self.accepted / 4

    def add(self, sent_at: float, *, accepted: bool) -> None:
        """Count a response."""
        self.accepted += accepted
        self.early += accepted and not self.rejected
        belongs = self.counts_earlier or sent_at >= self.start
        self.leftover += accepted and not belongs
        self.rejected += not accepted and belongs


class LearnedRate:
    """Estimates how many requests per second are accepted; a state machine without a clock.

    Periods of at least a second are judged. In one with rejections, the accepted requests are the
    rate. Without, the rate grows while requests wait: slowly near the last limit, then faster. If
    fewer requests lead to no smaller share of rejections, their cause is not the rate, and pacing
    is off for a while.
    """

    def __init__(self, ceiling: float) -> None:
        """`ceiling` is the highest rate, in requests per second; infinite: any."""
        self._ceiling = ceiling
        self.period = Period(-math.inf)
        """The responses that are judged next."""
        self.off_until = -math.inf
        """Instant until which pacing is off."""
        self.reset()

    def reset(self) -> None:
        """Forget what was learned."""
        self.rate = self._last_limit = self._ceiling
        """Requests per second; infinite while nothing is known."""
        self._cycle: Period | None = None
        """From the end of a pause to the end of the next; None before the first."""
        self._cycle_end = -math.inf
        self._slow_start = False
        self._clean = 0
        """Judged periods without rejections in a row."""
        self._baseline: Period | None = None
        """The first period with a limit, which later ones with fewer requests are compared with."""
        self._baseline_sent = 0.0
        """Its requests per second."""
        self._reduced: Period | None = None
        """The first period with fewer requests."""

    def record(self, now: float, sent_at: float, *, accepted: bool, backlog: bool) -> bool:
        """Count a response; return whether a period was judged. `backlog`: requests wait."""
        if self._cycle is not None:
            self._cycle.accepted += accepted
        self.period.add(sent_at, accepted=accepted)
        length = now - self.period.start
        if length < MIN_LENGTH or self.period.total < MIN_RESPONSES:
            return False
        if now >= self.off_until:
            self._judge(now, length, backlog=backlog)
        self.period = Period(now)
        return True

    # Pauses

    def pause(self, until: float) -> None:
        """Record a pause of all requests until `until`, where a cycle ends."""
        self._cycle_end = until
        self.period = Period(until)

    def record_late(self) -> None:
        """Count a request that was accepted during the pause, and sent before it."""
        if self._cycle is not None:
            self._cycle.accepted += 1

    def average(self) -> tuple[float, float] | None:
        """Return the rate of the cycle that the last pause ends, and the requests in it.

        None before the second pause, because the start of the first cycle is unknown.
        """
        cycle = self._cycle
        if cycle is None or not cycle.accepted:
            return None
        return cycle.accepted / (self._cycle_end - cycle.start), float(cycle.accepted)

    def resume(self) -> float:
        """Adopt the average rate of the cycle; return how many requests may be sent at once."""
        average, burst = self.average(), 0.0
        if average is not None:
            self.rate = self._last_limit = min(self._ceiling, max(LOWEST_RATE, average[0]))
            burst = WINDOW_SHARE * average[1]
        self._cycle = Period(self._cycle_end)
        return burst

    # Periods

    def _judge(self, now: float, length: float, *, backlog: bool) -> None:
        period = self.period
        if self._is_unrelated(length):
            self.reset()
            self.off_until = now + OFF
        elif period.share > LIMITED_SHARE:
            self._clean = 0
            if self._baseline is None and not period.drained:
                self._baseline = period
                self._baseline_sent = period.total / length
            self._limit(length)
        elif period.rejected and not self._slow_start:
            self._clean = 0
        elif backlog:
            self._clean += 1
            self.rate = min(self._ceiling, self.rate * self._growth())

    def _is_unrelated(self, length: float) -> bool:
        """Return whether fewer requests than in the baseline are rejected as often.

        Judged by two periods, because one may contain the rest of a burst, or another replica.
        """
        period, baseline = self.period, self._baseline
        if baseline is None:
            return False
        if period.total / length > REDUCED * self._baseline_sent:
            if period.share <= LIMITED_SHARE:
                self._baseline = self._reduced = None
            return False
        if self._reduced is None:
            self._reduced = period
            return False
        rejected = period.rejected + self._reduced.rejected
        share = rejected / (rejected + period.accepted + self._reduced.accepted)
        self._baseline = self._reduced = None
        # The second alone must show it too: a limit that falls makes the first one worse.
        return min(share, 2 * period.share) > SAME_SHARE * baseline.share

    def _limit(self, length: float) -> None:
        """Adopt the accepted requests of a period as the rate.

        If hardly any was accepted, rejected requests may cost quota too: then the limit is between
        the accepted and the sent ones, and is approached from their geometric mean.
        """
        accepted, sent = self.period.accepted / length, self.period.total / length
        self._slow_start = self.period.share > HOPELESS_SHARE
        rate = limit = accepted
        if self._slow_start:
            rate, limit = math.sqrt(max(accepted, 1 / length) * sent), 0.7 * sent
        elif math.isfinite(self.rate):
            limit = max(accepted, 0.7 * self.rate)
        elif self.period.drained and self.period.late > self.period.rejected / 2:
            # The burst is accepted once, and enough was sent after it to show the rate.
            rate = limit = max(self.period.late / length, accepted / 2)
        self.rate = min(self._ceiling, max(LOWEST_RATE, rate))
        self._last_limit = min(self._ceiling, max(rate, limit))

    def _growth(self) -> float:
        self._slow_start &= self.rate < 0.5 * self._last_limit
        if self._slow_start:
            return 2.0
        if self.rate < 0.9 * self._last_limit:
            return 1.3
        return 1 + min(0.1, math.ldexp(0.01, self._clean - 1))
