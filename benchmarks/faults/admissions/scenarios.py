"""Rows about admissions: a fault at each of their steps.

The calls are AdmitParticipants and CreateRoomWithGuests, each with up to five guests. Those that
fail are in a later call, with the raw ids of the results, and at last in a call without a fault.
"""

from __future__ import annotations

from benchmarks.faults.calls import ADMISSIONS
from benchmarks.faults.scenario import SHARE, Scenario
from benchmarks.faults.verdicts import NOTHING, Right
from rooms_emulator import Fault

_LOST = Right.of("UNAVAILABLE", reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE")


def _row(name: str, what: str, fault: Fault | None, right: Right, **others: object) -> Scenario:
    load: dict[str, object] = {"trials": 200, "callers": 8, "width": 8, "deadline": 30.0, **others}
    return Scenario(
        name=name,
        what=what,
        fault=fault,
        right=right,
        kinds=ADMISSIONS,
        only=("gateway", "sdk"),
        **load,  # type: ignore[arg-type]
    )


def _lost(step: str, operation: str, what: str, share: float = SHARE) -> Scenario:
    fault = Fault(operation=operation, drop="after")
    return _row(f"lost-{step}", f"response lost after {what}", fault, _LOST, share=share)


ADMISSION_SCENARIOS = (
    _row("admissions", "no fault", None, NOTHING),
    _lost("user", "CreateIdentity", "the creation of a user"),
    _lost("room", "CreateRoom", "the creation of the room", share=0.5),
    _lost("roster", "UpdateParticipants", "the change of the roster", share=0.5),
    _lost("token", "IssueAccessToken", "the issue of a token"),
    _row(
        "refused-roster",
        "403 to every second change of the roster",
        Fault(operation="UpdateParticipants", status=403),
        Right.of("PERMISSION_DENIED", reasons="ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
        share=0.5,
    ),
    _row(
        "failed-tokens",
        "500 to every second issue of a token",
        Fault(operation="IssueAccessToken", status=500),
        Right.of(
            "INTERNAL",
            "UNAVAILABLE",
            reasons="ERROR_REASON_UPSTREAM_FAILED ERROR_REASON_UPSTREAM_UNAVAILABLE",
        ),
        share=0.5,
    ),
    _row(
        "throttled-tokens",
        "40 tokens per second, token bucket",
        None,
        Right.of("RESOURCE_EXHAUSTED", reasons="ERROR_REASON_THROTTLED"),
        quota="IssueAccessToken=40/1s",
        spreads=True,
    ),
)
