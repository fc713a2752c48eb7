"""The rules on the time window in which a room can be joined."""

from typing import Final, NamedTuple

from rooms_emulator import problems
from rooms_emulator.problems import Detail
from rooms_emulator.timestamps import TICKS_PER_DAY

LONGEST: Final = 180 * TICKS_PER_DAY


class Window(NamedTuple):
    """From when until when a room can be joined, in ticks."""

    start: int
    end: int


def of_new_room(start: int | None, end: int | None, now: int) -> Window:
    """Complete and check the window of a room to be created (Rooms_Create).

    The end defaults to 180 days from now, also when a start is given.

    Raises:
        ServiceError: the window breaks a rule.

    """
    _check(start, end, now)
    return Window(now if start is None else start, now + LONGEST if end is None else end)


def of_update(start: int | None, end: int | None, now: int) -> Window | None:
    """Check the window in an update (Rooms_Update): both ends or neither.

    Returns:
        The new window, or ``None`` if it stays as it is.

    Raises:
        ServiceError: only one end is given, or the window breaks a rule.

    """
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise problems.invalid([problems.bad_argument(problems.HALF_RANGE, "")])
    _check(start, end, now)
    return Window(start, end)


def _check(start: int | None, end: int | None, now: int) -> None:
    """Check the ends that are given; defaults are right by themselves."""
    wrong: list[Detail] = []
    if start is not None and start > now + LONGEST:
        wrong.append(problems.bad_argument(problems.BAD_START, "ValidFrom"))
    if end is not None:
        if end <= now:
            wrong.append(problems.bad_argument(problems.PAST_END, "ValidUntil"))
        elif not 0 <= end - (now if start is None else start) <= LONGEST:
            wrong.append(problems.bad_argument(problems.BAD_RANGE, "ValidUntil"))
    if wrong:
        raise problems.invalid(wrong)
