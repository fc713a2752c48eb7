"""Conversion of times between RFC 3339 text with seven fractional digits and Timestamp.

Not by datetime alone: its resolution is microseconds, that of the Rooms service is 100 ns.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.errors import InvalidRequestError, InvalidUpstreamResponseError, Violation

_USUAL_LENGTH = len("2026-08-03T09:14:27.1234567+00:00")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = 1_000_000_000
_SECOND = timedelta(seconds=1)
_DAY = 86_400
_read = datetime.fromisoformat
_TICKS = {str(digit): digit * 100 for digit in range(10)}
"""Nanoseconds by the seventh fractional digit, which datetime drops."""

TICKS_PER_SECOND = 10_000_000
"""The resolution of the Rooms service is 100 ns."""

# The range of google.protobuf.Timestamp: the years 1 to 9999.
MIN_SECONDS = -62_135_596_800
MAX_SECONDS = 253_402_300_799


def fill(time: Timestamp, text: str | None) -> None:
    """Set an empty `time` to the time in `text`, up to nanoseconds.

    A time without an offset is UTC. None leaves a field unset. Raises InvalidUpstreamResponseError
    if `text` is not a time.
    """
    if text is None:
        return
    try:
        # Nine of ten times have this form, three per room: check the separators here, and leave all
        # digits but the seventh to fromisoformat.
        if len(text) == _USUAL_LENGTH and text[4:20:3] == "--T::." and text[27:] == "+00:00":
            since = _read(text) - _EPOCH
            time.nanos = since.microseconds * 1000 + _TICKS[text[26]]
        else:
            moment, fraction = _any_rfc3339(text)
            since = moment - _EPOCH
            time.nanos = int(fraction.ljust(9, "0")) if fraction else 0
    except (ValueError, OverflowError, KeyError):
        raise InvalidUpstreamResponseError(
            "the Rooms service sent a time that does not exist"
        ) from None
    time.seconds = since.days * _DAY + since.seconds


def from_rest(text: str | None) -> Timestamp | None:
    """Convert as `fill` does, into a new Timestamp; None for None."""
    if text is None:
        return None
    time = Timestamp()
    fill(time, text)
    return time


def _any_rfc3339(text: str) -> tuple[datetime, str | None]:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidUpstreamResponseError("the Rooms service sent a time that is not RFC 3339")
    date, clock, fraction, sign, hours, minutes = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        moment += -offset if sign == "+" else offset
    return moment, fraction


def field_to_rest(request: Message, field: str) -> str | None:
    """Convert the Timestamp in `field` of `request` as `to_rest` does; None if it is unset."""
    return to_rest(getattr(request, field), field) if request.HasField(field) else None


def to_rest(time: Timestamp, field: str) -> str:
    """Convert the Timestamp of a request to RFC 3339 text in UTC, up to nanoseconds.

    The Rooms service truncates to 100 ns. Raises as `check` does.
    """
    check(time, field)
    text = (_EPOCH + time.seconds * _SECOND).replace(tzinfo=None).isoformat()
    fraction = f".{time.nanos:09d}".rstrip("0") if time.nanos else ""
    return f"{text}{fraction}Z"


def ticks_of(text: str) -> int:
    """Return the ticks of 100 ns from the epoch to the time in `text`, as the Rooms service does.

    Raises InvalidUpstreamResponseError if `text` is not a time.
    """
    time = Timestamp()
    fill(time, text)
    return time.seconds * TICKS_PER_SECOND + time.nanos // 100


def ticks_to_rest(ticks: int) -> str:
    """Convert ticks to RFC 3339 text in UTC; beyond the range of Timestamp, to its last second."""
    seconds, rest = divmod(ticks, TICKS_PER_SECOND)
    time = Timestamp(seconds=min(seconds, MAX_SECONDS), nanos=rest * 100)
    return to_rest(time, "")


def check(time: Timestamp, field: str) -> None:
    """Raise InvalidRequestError, naming `field`, if `time` is outside the range of Timestamp."""
    if not (MIN_SECONDS <= time.seconds <= MAX_SECONDS and 0 <= time.nanos < _NANOS):
        raise InvalidRequestError(
            Violation(
                field, "is not a valid Timestamp: the years are 1 to 9999, nanos 0 to 999999999"
            )
        )
