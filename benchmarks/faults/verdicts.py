"""The rules: what a caller was told, and whether that is right.

One table of codes serves all systems. A failure of Microsoft's client is given the code that the
naive gateway's table has for it; a failure that is none of its published errors is untyped. On a
gateway of gRPC, UNKNOWN is untyped: it is what grpc.aio makes of an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a trial comes to; exactly one."""

    FIRST = "correct, first attempt"
    RETRIED = "correct, after retry"
    TYPED = "correct typed error"
    WRONG = "wrong code or response"
    UNTYPED = "untyped"


OK = "OK"
UNTYPED = "UNKNOWN"
DEADLINE = "DEADLINE_EXCEEDED"
CLIENT_MADE = frozenset({DEADLINE, "CANCELLED"})
"""Codes that a client makes itself, so without details."""

TOLERANCE = 0.05
"""Seconds after its deadline at which a call has to be over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one caller was told."""

    code: str
    """The name of a gRPC code."""
    reason: str = ""
    """Of ErrorInfo, where there is one."""
    text: str = ""
    """Everything that came with a failure."""
    seconds: float = 0.0
    overdue: float = 0.0
    """Seconds after the deadline, less those for which the measuring process itself was late."""
    value: str = ""
    """What came with a success: the room's id; of a list, the people."""


@dataclass(frozen=True, slots=True)
class Right:
    """Which failures are right where a fault struck."""

    codes: frozenset[str]
    reasons: frozenset[str] = frozenset()
    """Which reasons a gateway that publishes reasons may give; empty: any."""
    success: bool = True
    """Whether a success is right as well."""

    @classmethod
    def of(cls, *codes: str, reasons: str = "", success: bool = True) -> Right:
        """Make one; `reasons` are parted by spaces."""
        return cls(frozenset(codes), frozenset(reasons.split()), success)


NOTHING = Right.of()
"""Where no fault struck, nothing but success is right."""


def judge(outcome: Outcome, right: Right, *, requests: int, needed: int, details: bool) -> Verdict:
    """Say what a trial comes to.

    `requests` went to the service, where `needed` would have been without any fault; `details`
    says whether the system publishes reasons, and so has to give one.
    """
    if outcome.code == OK:
        if not right.success:
            return Verdict.WRONG
        return Verdict.FIRST if requests <= needed else Verdict.RETRIED
    bare = details and not outcome.reason and outcome.code not in CLIENT_MADE
    if outcome.code == UNTYPED or bare:
        return Verdict.UNTYPED
    reasoned = not (outcome.reason and right.reasons) or outcome.reason in right.reasons
    return Verdict.TYPED if outcome.code in right.codes and reasoned else Verdict.WRONG


def secrets_in(text: str, secrets: tuple[str, ...]) -> int:
    """Count the secrets that can be seen in `text`."""
    return sum(secret in text for secret in secrets)
