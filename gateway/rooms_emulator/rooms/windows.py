"""Rules for the window of a room, the time in which it can be joined."""

from __future__ import annotations

from typing import NamedTuple

from rooms_emulator import problems
from rooms_emulator.problems import Detail
from rooms_emulator.timestamps import TICKS_PER_DAY

MAX_LENGTH = 180 * TICKS_PER_DAY
"""Largest length of a window, in ticks."""


class Window(NamedTuple):
    """Start and end of the time in which a room can be joined, in ticks."""

    start: int
    end: int


def of_new_room(start: int | None, end: int | None, now: int) -> Window:
    """Return the window of a room to create (Rooms_Create), with defaults filled in.

    The end defaults to 180 days after `now`, even if a start is given. Raises ServiceError if the
    window breaks a rule.
    """
    _check(start, end, now)
    return Window(now if start is None else start, now + MAX_LENGTH if end is None else end)


def of_update(start: int | None, end: int | None, now: int) -> Window | None:
    """Return the window that an update sets (Rooms_Update); None if it changes nothing.

    Raises ServiceError if only one end is given, or the window breaks a rule.
    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise problems.invalid_member(problems.HALF_RANGE, "")
    _check(start, end, now)
    return Window(start, end)


def _check(start: int | None, end: int | None, now: int) -> None:
    """Check the ends that are given; the defaults are always valid."""
    violations: list[Detail] = []
    if start is not None and start > now + MAX_LENGTH:
        violations.append(problems.bad_argument(problems.BAD_START, "ValidFrom"))
    if end is not None:
        if end <= now:
            violations.append(problems.bad_argument(problems.PAST_END, "ValidUntil"))
        elif not 0 <= end - (now if start is None else start) <= MAX_LENGTH:
            violations.append(problems.bad_argument(problems.BAD_RANGE, "ValidUntil"))
    if violations:
        raise problems.invalid(violations)
