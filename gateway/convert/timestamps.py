"""Times: RFC 3339 text with seven fractional digits on one side, Timestamp on the other.

By hand, because Python's datetime stops at microseconds and the service does not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import RequestInvalid, ServiceAnswerUnreadable, Violation

_USUAL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII)
"""How the service writes times; there are three in a room, and read in a third of the time."""
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = 1_000_000_000
_SECOND = timedelta(seconds=1)

# The range of google.protobuf.Timestamp: the years 1 to 9999.
_MIN_SECONDS = -62_135_596_800
_MAX_SECONDS = 253_402_300_799


def from_rest(text: str | None) -> Timestamp | None:
    """Read a time of the service without loss, up to nanoseconds. None stays None.

    A time without an offset is UTC. Raises ServiceAnswerUnreadable if it is no time.
    """
    if text is None:
        return None
    try:
        usual = _USUAL.fullmatch(text)
        if usual is not None:
            time, fraction = usual.groups()
            moment = datetime.fromisoformat(time + "+00:00")
        else:
            moment, fraction = _any_rfc3339(text)
    except (ValueError, OverflowError):
        raise ServiceAnswerUnreadable("the service sent a time that no calendar has") from None
    # Whole seconds, and few enough for a float to hold.
    seconds = int(moment.timestamp())
    return Timestamp(seconds=seconds, nanos=int(fraction.ljust(9, "0")) if fraction else 0)


def _any_rfc3339(text: str) -> tuple[datetime, str | None]:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ServiceAnswerUnreadable("the service sent a time that is not RFC 3339")
    date, clock, fraction, sign, hours, minutes = match.groups()
    moment = datetime.fromisoformat(f"{date}T{clock}+00:00")
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        moment += -offset if sign == "+" else offset
    return moment, fraction


def to_rest(time: Timestamp, field: str) -> str:
    """Write the time of a request as RFC 3339 in UTC, up to nanoseconds, without loss.

    The service cuts off what is finer than 100 ns. Raises RequestInvalid, naming `field`, if the
    time is outside of what a Timestamp may hold.
    """
    if not (_MIN_SECONDS <= time.seconds <= _MAX_SECONDS and 0 <= time.nanos < _NANOS):
        raise RequestInvalid(
            Violation(
                field, "is not a valid Timestamp: the years are 1 to 9999, nanos 0 to 999999999"
            )
        )
    text = (_EPOCH + time.seconds * _SECOND).replace(tzinfo=None).isoformat()
    fraction = f".{time.nanos:09d}".rstrip("0") if time.nanos else ""
    return f"{text}{fraction}Z"
