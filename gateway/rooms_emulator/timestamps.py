"""Timestamps in the formats of the Rooms service.

An instant is an `int` of ticks of 100 ns since 1970-01-01T00:00:00Z, the resolution of the
service's own timestamps, so that reading and writing lose nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

TICKS_PER_SECOND = 10_000_000
TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = -62_135_596_800 * TICKS_PER_SECOND  # 0001-01-01T00:00:00
_END = 253_402_300_800 * TICKS_PER_SECOND  # the first tick of the year 10000
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:T((?:[01]\d|2[0-3]):[0-5]\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-]\d\d:[0-5]\d))?)?",
    re.ASCII,
)
_RFC_1123 = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII)


def parse(text: str) -> int:
    """Parse an RFC 3339 timestamp, a date alone, or a timestamp without an offset (UTC).

    Digits after the seventh of a second are cut off, not rounded. Raises ValueError if the text
    is malformed or outside the years 1 to 9999.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError("not a date-time")
    date, hour_minute, second, fraction, offset = match.groups()
    moment = datetime.fromisoformat(
        f"{date}T{hour_minute or '00:00'}:{second or '00'}{offset or '+00:00'}"
    )
    ticks = (moment - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND
    ticks += int((fraction or "")[:7].ljust(7, "0"))
    if not in_range(ticks):
        raise ValueError("outside the years 1 to 9999")
    return ticks


def render(ticks: int) -> str:
    """Format an instant as the service does: 0 to 7 digits of a second, zeros trimmed, `+00:00`.

    Raises OverflowError if the instant is outside the years 1 to 9999.
    """
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    if fraction == 0:
        return text
    return text.replace("+", f".{fraction:07d}".rstrip("0") + "+")


def in_range(ticks: int) -> bool:
    """Return whether an instant is in the years 1 to 9999, outside of which it has no text form."""
    return _EARLIEST <= ticks < _END


def render_http_date(ticks: int) -> str:
    """Format an instant as an RFC 1123 date, independent of the locale of the process."""
    return formatdate(ticks // TICKS_PER_SECOND, usegmt=True)


# A client signs many requests within the same second.
@lru_cache(maxsize=16)
def parse_http_date(text: str) -> int:
    """Parse an RFC 1123 date. Raises ValueError if the text is malformed."""
    if not _RFC_1123.fullmatch(text):
        raise ValueError("not an RFC 1123 date")
    return (parsedate_to_datetime(text) - _EPOCH) // timedelta(seconds=1) * TICKS_PER_SECOND
