"""Verdicts by code, reason and number of requests."""

from __future__ import annotations

import pytest

from benchmarks.faults.scenarios import BY_NAME, SCENARIOS
from benchmarks.faults.verdicts import NOTHING, Outcome, Right, Verdict, judge, secrets_in
from rooms_emulator.faults.presets import PRESETS

BUSY = Right.of("UNAVAILABLE", reasons="ERROR_REASON_UPSTREAM_UNAVAILABLE")
ERROR_REQUIRED = Right.of("INTERNAL", success=False)


@pytest.mark.parametrize(
    ("code", "reason", "right", "requests", "details", "expected"),
    [
        ("OK", "", NOTHING, 1, True, Verdict.FIRST),
        ("OK", "", NOTHING, 2, True, Verdict.RETRIED),
        ("OK", "", ERROR_REQUIRED, 1, True, Verdict.WRONG),
        ("UNAVAILABLE", "ERROR_REASON_UPSTREAM_UNAVAILABLE", BUSY, 4, True, Verdict.TYPED),
        ("UNAVAILABLE", "ERROR_REASON_UPSTREAM_UNAVAILABLE", NOTHING, 4, True, Verdict.WRONG),
        ("UNAVAILABLE", "ERROR_REASON_THROTTLED", BUSY, 4, True, Verdict.WRONG),
        ("UNAVAILABLE", "", BUSY, 4, True, Verdict.UNTYPED),
        ("UNAVAILABLE", "", BUSY, 4, False, Verdict.TYPED),
        ("NOT_FOUND", "", BUSY, 1, False, Verdict.WRONG),
        ("UNKNOWN", "", BUSY, 1, False, Verdict.UNTYPED),
        ("DEADLINE_EXCEEDED", "", BUSY, 1, True, Verdict.WRONG),
        ("DEADLINE_EXCEEDED", "", Right.of("DEADLINE_EXCEEDED"), 1, True, Verdict.TYPED),
        ("OTHER_RESPONSE", "", BUSY, 1, False, Verdict.WRONG),
    ],
)
def test_each_rule(
    *, code: str, reason: str, right: Right, requests: int, details: bool, expected: Verdict
) -> None:
    outcome = Outcome(code, reason)
    assert judge(outcome, right, requests=requests, needed=1, details=details) is expected


def test_secrets_are_found_inside_words() -> None:
    assert secrets_in("?key=abc&", ("abc", "nothing")) == 1
    assert secrets_in("nothing to see", ("abc",)) == 0


def test_every_preset_fault_has_a_row() -> None:
    assert set(PRESETS) <= set(BY_NAME)
    assert len(BY_NAME) == len(SCENARIOS)
