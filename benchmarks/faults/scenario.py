"""One row of the table of scenarios: fault, calls, frequency, correct outcomes, targets."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from benchmarks.faults.calls import EVERYTHING, Kind
from benchmarks.faults.row import Goal
from benchmarks.faults.verdicts import NOTHING, Right
from rooms_emulator import Fault

SHARE = 1 / 8
"""Share of the requests that a transient fault strikes; more would be an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the table."""

    name: str
    what: str
    fault: Fault | None = None
    share: float = SHARE
    """Probability that the fault strikes a request."""
    also: Fault | None = None
    """Fault of requests that the first one leaves alone, with a probability of its own."""
    quota: str = ""
    """Quota of the emulator; with one, a call is struck if the quota rejects a request of it."""
    right: Right = NOTHING
    """Correct outcomes of a call that the fault struck, in addition to success."""
    spreads: bool = False
    """Whether the fault also affects calls that it did not strike."""
    kinds: tuple[Kind, ...] = EVERYTHING
    trials: int = 1000
    callers: int = 16
    """Number of concurrent calls."""
    width: int = 1
    """Number of concurrent upstream requests of one call, at most."""
    rate: float = 0.0
    """Calls per second, whatever the number of concurrent ones; 0: as many as the callers make."""
    deadline: float = 5.0
    """Deadline of each call, in seconds."""
    pause: float = 0.0
    cancel: float = 0.0
    """Maximum time after which callers cancel, in seconds; 0: never."""
    rooms: int = 0
    """Number of rooms before the first call."""
    special: str = ""
    """Name of a disturbance: see `disturbances`."""
    outage: bool = False
    """Whether every request fails, so that the requests per call must be bounded."""
    goal: Goal | None = None
    """Further targets of the gateway."""
    only: tuple[str, ...] = ("gateway", "sdk", "naive")


def faults_of(scenario: Scenario, sink: int) -> list[Fault]:
    """Return the faults of a scenario; foreign links lead to the port `sink`."""
    fault = scenario.fault
    if fault is None:
        return []

    changes: dict[str, object] = {"count": None, "probability": scenario.share}
    if fault.next_link is not None:
        elsewhere = f"127.0.0.1:{sink}"
        changes["next_link"] = fault.next_link.replace("attacker.invalid", elsewhere).replace(
            "{hostname}:80", elsewhere
        )
    if fault.refuse is not None:
        changes["refuse"] = 0.2
    if fault.gzip:
        changes["pad"] = 20_000_000
    if fault.clock_offset is not None or fault.keys is not None:
        changes |= {"count": 1, "skip": 20}
    first = msgspec.structs.replace(fault, **changes)
    return [first] if scenario.also is None else [first, scenario.also]
