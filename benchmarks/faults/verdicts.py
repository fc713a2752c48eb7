"""The rules: outcomes of calls, and whether they are correct.

One table of codes serves all systems. A failure of Microsoft's client gets the code of the naive
gateway's table; an exception that is not one of its documented errors is untyped. For gateways,
UNKNOWN is untyped: grpc.aio uses it for unhandled exceptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Verdict on a trial."""

    FIRST = "correct, first attempt"
    RETRIED = "correct, after retry"
    TYPED = "correct typed error"
    WRONG = "wrong code or response"
    UNTYPED = "untyped"


OK = "OK"
UNTYPED = "UNKNOWN"
DEADLINE = "DEADLINE_EXCEEDED"
CLIENT_MADE = frozenset({DEADLINE, "CANCELLED"})
"""Codes that the client sets itself, without details."""

TOLERANCE = 0.05
"""Tolerated time over the deadline, in seconds."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Result for one guest of an admission, as the caller sees it."""

    raw_id: str
    """Empty if there is no user."""
    role: str = ""
    """REST name of the role; empty if there is no participant."""
    token_of: str = ""
    """Raw id of the user of the access token; empty without a token."""
    code: str = ""
    """Without a token, the name of a gRPC status code."""
    reason: str = ""
    text: str = ""
    """Message of the error."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one call, as the caller sees it."""

    code: str
    """Name of a gRPC status code."""
    reason: str = ""
    """Reason in ErrorInfo, if any."""
    text: str = ""
    """Everything that a failed call carries."""
    seconds: float = 0.0
    overdue: float = 0.0
    """Time over the deadline in seconds, less the delay of the measuring process."""
    value: str = ""
    """Result of a success: the id of the room; of a list, the raw ids or room ids."""
    results: tuple[Admitted, ...] = ()
    """Results of an admission, in the order of its guests."""


@dataclass(frozen=True, slots=True)
class Right:
    """Correct failures of a call that a fault struck."""

    codes: frozenset[str]
    reasons: frozenset[str] = frozenset()
    """Correct reasons, for gateways that return reasons; empty: any."""
    success: bool = True
    """Whether a success is correct too."""

    @classmethod
    def of(cls, *codes: str, reasons: str = "", success: bool = True) -> Right:
        """Return an instance; `reasons` are separated by spaces."""
        return cls(frozenset(codes), frozenset(reasons.split()), success)


NOTHING = Right.of()
"""Without a fault, only success is correct."""


def judge(outcome: Outcome, right: Right, *, requests: int, needed: int, details: bool) -> Verdict:
    """Return the verdict on a trial.

    `requests` is the number of upstream requests, `needed` the number without a fault; `details` is
    whether the system returns reasons, so that one is required.
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
    """Return the number of secrets in `text`."""
    return sum(secret in text for secret in secrets)
