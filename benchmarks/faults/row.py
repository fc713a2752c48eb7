"""One row of the result: the outcome of one scenario on one system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.faults.verdicts import Verdict

AMPLIFICATION = 1.2
"""Maximum number of requests per call in an outage."""

MEMORY = 100_000_000
"""Maximum growth of memory, in bytes: the allocator keeps some of the memory of large responses."""

ENOUGH = 500
"""Minimum number of calls for a meaningful number of requests per call."""


STARVED = 3.0
"""Maximum mean time of the calls of one caller, as a multiple of that of all calls."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Targets of the gateway under a quota."""

    succeeded: float
    """Minimum share of the calls that succeed."""
    requests: float
    """Maximum number of requests per success."""


@dataclass(slots=True)
class Row:
    """Counts of trials, unless noted otherwise."""

    scenario: str
    system: str
    trials: int = 0
    struck: int = 0
    """Trials that the fault struck at least once."""
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))
    codes: dict[str, int] = field(default_factory=dict)
    """Trials by code and reason."""
    overdue: int = 0
    duplicates: int = 0
    lost: int = 0
    guests: int = 0
    """Guests of admissions."""
    false_tokens: int = 0
    """Access tokens that were requested for users that were not on the roster."""
    unreported: int = 0
    """Calls that created users which are in no result."""
    halves: int = 0
    """Failed syncs that left neither the roster of before nor the list."""
    secrets: int = 0
    """Secrets in outputs, and signed requests to another origin."""
    requests_per_call: float = 0.0
    quota_used: float | None = None
    """Shortest time in which the quota accepts as many requests, divided by the actual time."""
    slowest: float = 0.0
    """Mean time of the calls of the slowest caller, divided by that of all calls."""
    added_p50: float = 0.0
    """Added latency in milliseconds, compared with the same calls without a fault."""
    added_p99: float = 0.0
    tasks: int = 0
    """Tasks left over."""
    fds: int = 0
    rss: int = 0
    """Growth of memory, in bytes."""
    seconds: float = 0.0
    outage: bool = False
    strict: bool = False
    """Whether no call may fail at all."""
    goal: Goal | None = None
    notes: list[str] = field(default_factory=list)
    """The first incorrect outcomes."""

    def note(self, text: str) -> None:
        """Keep up to five examples."""
        if len(self.notes) < 5:
            self.notes.append(text[:300])

    @property
    def succeeded(self) -> int:
        """Trials with a correct response."""
        return self.verdicts[Verdict.FIRST] + self.verdicts[Verdict.RETRIED]

    @property
    def requests_per_success(self) -> float:
        """Requests of all calls per correct response; infinite without any."""
        requests = self.requests_per_call * self.trials
        return requests / self.succeeded if self.succeeded else math.inf

    def missed(self) -> list[str]:
        """Return descriptions of the missed targets."""
        counts = {
            "wrong code or response": self.verdicts[Verdict.WRONG],
            "untyped": self.verdicts[Verdict.UNTYPED],
            "over deadline": self.overdue,
            "duplicated": self.duplicates,
            "lost": self.lost,
            "access tokens without a participant": self.false_tokens,
            "calls with unreported users": self.unreported,
            "syncs that took effect in part": self.halves,
            "secrets": self.secrets,
            "tasks left": self.tasks,
            "descriptors left": self.fds,
        }
        if self.strict:
            counts["failed"] = self.verdicts[Verdict.TYPED]
        missed = [f"{count} {what}" for what, count in counts.items() if count > 0]
        if self.rss > MEMORY:
            missed.append(f"{self.rss / 1e6:.0f} MB left")
        # The reserve of the retry budget dominates a small number of calls.
        enough = self.trials >= ENOUGH
        if self.outage and enough and self.requests_per_call > AMPLIFICATION:
            missed.append(f"{self.requests_per_call:.2f} requests per call")
        # The requests until the rate is learned dominate a small number of calls.
        if self.goal is not None and enough:
            missed += self._missed_under_a_quota(self.goal)
        return missed

    def _missed_under_a_quota(self, goal: Goal) -> Iterator[str]:
        if self.succeeded < goal.succeeded * self.trials:
            yield f"{self.trials - self.succeeded} of {self.trials} failed"
        if self.requests_per_success > goal.requests:
            yield f"{self.requests_per_success:.2f} requests per success"
        if self.slowest > STARVED:
            yield f"a caller waited {self.slowest:.1f} times as long as the mean"

    def as_json(self) -> dict[str, Any]:
        """Return everything, for the JSON report."""
        return {**asdict(self), "missed": self.missed()}


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of `values` are."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0
