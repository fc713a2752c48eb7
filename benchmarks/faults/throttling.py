"""Rows of the table about rate limits: rejected requests, and quotas of the emulator.

All of them spread, because pacing holds back further calls of the operation family too.
"""

from __future__ import annotations

from benchmarks.faults.calls import Kind
from benchmarks.faults.row import Goal
from benchmarks.faults.scenario import Scenario
from benchmarks.faults.verdicts import DEADLINE, Right
from rooms_emulator import Fault, preset

_THROTTLED = Right.of("RESOURCE_EXHAUSTED", reasons="ERROR_REASON_THROTTLED")
_STORM = Right.of(
    "RESOURCE_EXHAUSTED", DEADLINE, reasons="ERROR_REASON_THROTTLED ERROR_REASON_DEADLINE_EXCEEDED"
)


def _quota(name: str, what: str, quota: str, goal: Goal, **others: object) -> Scenario:
    """Return a row with a quota; without `others`, 64 callers create 1,500 rooms at once."""
    load: dict[str, object] = {"trials": 1500, "callers": 64, "deadline": 30.0, **others}
    return Scenario(
        name=name,
        what=what,
        fault=Fault(latency=0.02),
        share=1.0,
        quota=f"CreateRoom={quota}",
        right=_STORM,
        spreads=True,
        kinds=(Kind.CREATE,),
        goal=goal,
        **load,  # type: ignore[arg-type]
    )


_ALL = Goal(succeeded=0.995, requests=1.1)

THROTTLING = (
    Scenario(
        name="throttled",
        what="429, Retry-After: 1",
        fault=preset("throttled"),
        right=_THROTTLED,
        spreads=True,
        trials=400,
        callers=64,
    ),
    Scenario(
        name="throttled-for-an-hour",
        what="429, Retry-After: 3600",
        fault=Fault(status=429, headers={"Retry-After": "3600"}),
        right=_THROTTLED,
        spreads=True,
        trials=400,
        callers=64,
        deadline=1.5,
    ),
    Scenario(
        name="throttle-storm",
        what="429 to every second request",
        fault=preset("throttle-storm"),
        right=_STORM,
        spreads=True,
        share=0.5,
        callers=128,
        deadline=3.0,
    ),
    _quota("quota-bucket", "100 requests per second, token bucket", "100/1s", _ALL),
    _quota("quota-window", "1,000 requests per window of 10 s", "1000/10s,window", _ALL),
    _quota(
        "quota-accrue",
        "100 requests per second, and rejected ones count",
        "100/1s,counted",
        _ALL,
    ),
    _quota(
        "quota-silent",
        "100 requests per second, no Retry-After",
        "100/1s,retry-after=none",
        Goal(succeeded=0.995, requests=1.5),
    ),
    _quota(
        "overload-1.5x",
        "150 calls per second for 12 s, 100 requests per second",
        "100/1s",
        Goal(succeeded=0.95, requests=1.1),
        trials=1800,
        rate=150.0,
        deadline=5.0,
    ),
    _quota(
        "two-replicas",
        "100 requests per second, two replicas alternately",
        "100/1s",
        _ALL,
        special="replicas",
        # Microsoft's client runs in the calling process.
        only=("gateway", "naive"),
    ),
)
