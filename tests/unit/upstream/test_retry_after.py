from __future__ import annotations

import calendar
import math
import re
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rooms_gateway.upstream.transport.retry import http_date, retry_after

NOW = float(calendar.timegm((2025, 3, 6, 0, 20, 3)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("3600", 3600.0),
        ("Thu, 06 Mar 2025 00:20:13 GMT", 10.0),
        ("Thu, 06 Mar 2025 00:20:03 GMT", 0.0),
        ("Thu, 06 Mar 2025 00:00:00 GMT", 0.0),
        ("Thu, 06 Mar 2025 01:20:13 +0100", 10.0),
        ("", None),
        ("-1", None),
        ("1.5", 1.5),
        ("0.7", 0.7),
        ("1.5.2", None),
        ("1e3", None),
        ("\u0667", None),
        ("soon", None),
    ],
)
def test_retry_after_is_parsed(text: str, seconds: float | None) -> None:
    """As seconds or as a date; None if it is neither."""
    assert retry_after({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "700"}, 0.7),
        ({"x-ms-retry-after-ms": "700"}, 0.7),
        ({"retry-after-ms": " 1.5 "}, 0.0015),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after-ms": "700", "x-ms-retry-after-ms": "9000", "Retry-After": "9"}, 0.7),
        ({"x-ms-retry-after-ms": "700", "Retry-After": "1"}, 0.7),
        ({"retry-after-ms": "soon", "x-ms-retry-after-ms": "700"}, 0.7),
        ({"retry-after-ms": "-1", "x-ms-retry-after-ms": "", "Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "Thu, 06 Mar 2025 00:20:13 GMT"}, None),
    ],
)
def test_milliseconds_come_before_seconds(headers: dict[str, str], seconds: float | None) -> None:
    """A malformed header leaves the others."""
    assert retry_after(headers, NOW) == seconds


def test_a_missing_retry_after_is_none() -> None:
    assert retry_after({}, NOW) is None


DATE_LIKE = st.lists(
    st.sampled_from(
        [
            *("Thu", ",", " ", "06", "Mar", "2025", "0", "-", "+", ":", "00", "59", "GMT", "EST"),
            *("9" * 20, "é", "\u0667", "-0000", "+9999", "99999999999999999"),
        ]
    ),
    max_size=14,
).map("".join)


DATE_FORM = st.from_regex(
    re.compile(r"\A\w{0,3},? ?\d{1,25} \w{3} \d{1,25} \d+:\d+(:\d+)? ?[-+]?\d{0,30}\Z", re.ASCII)
)


@given(
    st.text()
    | DATE_LIKE
    | DATE_FORM
    | st.text("0123456789 :,+-JanMoGT")
    | st.integers(min_value=0).map(str)
)
@example("9" * 5000)
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
@example("Mon, 01 Jan 2024 00:00:00 +99999999999999999")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
def test_any_retry_after_is_non_negative_or_none(text: str) -> None:
    seconds = retry_after({"Retry-After": text}, NOW)
    assert seconds is None or (seconds >= 0 and not math.isnan(seconds))
    moment = http_date(text)
    assert moment is None or math.isfinite(moment)


@given(st.integers(0, 253_402_300_799))
def test_http_dates_are_exact_to_the_second(seconds: int) -> None:
    assert http_date(formatdate(seconds, usegmt=True)) == seconds


@given(seconds=st.integers(0, 10**9), blanks=st.sampled_from(["", " ", "  "]))
def test_retry_after_in_seconds_is_exact(seconds: int, blanks: str) -> None:
    headers = {"Retry-After": f"{blanks}{seconds}{blanks}"}
    assert retry_after(headers, 0) == seconds


@given(now=st.integers(0, 4 * 10**9), distance=st.integers(-(10**6), 10**6))
def test_retry_after_dates_are_never_negative(now: int, distance: int) -> None:
    headers = {"Retry-After": formatdate(max(0, now + distance), usegmt=True)}
    assert retry_after(headers, now) == max(0, max(0, now + distance) - now)
