"""The rate of log lines about attempts without a response."""

from __future__ import annotations

from functools import partial

import pytest

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.failure_log import INTERVAL, FailureLog

REFUSED = AttemptError(AttemptFailure.REFUSED, "rooms.example:443", "connection refused")
LOST = AttemptError(AttemptFailure.LOST, "rooms.example:443", "connection closed")


def test_each_cause_is_logged_once_per_interval(caplog: pytest.LogCaptureFixture) -> None:
    """The next line about a cause has the number of suppressed ones."""
    now = 0.0
    log = FailureLog(lambda: now)
    for error in (REFUSED, REFUSED, LOST, REFUSED):
        log.add(error)
    now = INTERVAL
    log.add(REFUSED)
    assert caplog.messages == [
        "no response from rooms.example:443: connection refused",
        "no response from rooms.example:443: connection closed",
        "no response from rooms.example:443: connection refused (2 more since the last line)",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_end_is_logged_after_a_logged_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A suppressed failure has no end, so that flapping writes no more lines."""
    caplog.set_level("INFO")
    log = FailureLog(lambda: 0.0)
    states = [log.failing]
    add = partial(log.add, REFUSED)
    for step in (add, log.end, add):
        step()
        states.append(log.failing)
    assert states == [False, True, False, False]
    assert caplog.messages[1:] == ["the Rooms service responds again"]
