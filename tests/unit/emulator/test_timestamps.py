"""Parsing and formatting of timestamps."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator import timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_1, YEAR_10000 = -621355968000000000, 2534023008000000000
ticks = st.integers(YEAR_1, YEAR_10000 - 1)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (17412204034401806, "2025-03-06T00:20:03.4401806+00:00"),
        (17412204034401800, "2025-03-06T00:20:03.44018+00:00"),
        (17412204034000000, "2025-03-06T00:20:03.4+00:00"),
        (1, "1970-01-01T00:00:00.0000001+00:00"),
        (-1, "1969-12-31T23:59:59.9999999+00:00"),
        (YEAR_1, "0001-01-01T00:00:00+00:00"),
        (YEAR_10000 - 1, "9999-12-31T23:59:59.9999999+00:00"),
    ],
)
def test_render_trims_zeros(instant: int, text: str) -> None:
    assert timestamps.render(instant) == text


@given(ticks)
def test_render_and_parse_are_lossless(instant: int) -> None:
    text = timestamps.render(instant)
    assert timestamps.parse(text) == instant
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?\+00:00", text)


@given(ticks, st.text("0123456789", max_size=5))
def test_digits_after_the_seventh_are_cut_off(instant: int, digits: str) -> None:
    seconds, fraction = divmod(instant, timestamps.TICKS_PER_SECOND)
    text = f"{timestamps.render(seconds * 10_000_000)[:19]}.{fraction:07d}{digits}Z"
    assert timestamps.parse(text) == instant


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001 - naive by design
    st.integers(-1439, 1439),
)
def test_offsets_are_converted_to_utc(local: datetime, minutes: int) -> None:
    aware = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (aware - EPOCH) // timedelta(microseconds=1) * 10
    assert timestamps.parse(aware.isoformat()) == expected


@given(st.text())
def test_parse_raises_only_value_errors(text: str) -> None:
    try:
        instant = timestamps.parse(text)
    except ValueError:
        return
    assert YEAR_1 <= instant < YEAR_10000


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2022-11-23", "2022-11-23T00:00:00Z"),
        ("2022-11-23T10:20", "2022-11-23T10:20:00Z"),
        ("2022-11-23T10:20:30", "2022-11-23T10:20:30Z"),
        ("2022-11-23T10:20+01:00", "2022-11-23T09:20:00Z"),
        ("2022-11-23T10:20:30.5-00:00", "2022-11-23T10:20:30.5Z"),
    ],
)
def test_omitted_parts_are_zero(text: str, same: str) -> None:
    assert timestamps.parse(text) == timestamps.parse(same)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "20221123",
        "2022-11-23T",
        "2022-11-23Z",
        "2022-11-23 10:20:30Z",
        "2022-11-23t10:20:30z",
        "2022-13-01",
        "2022-02-29",
        "2022-11-23T24:00:00Z",
        "2022-11-23T10:20:60Z",
        "2022-11-23T10:20:30.Z",
        "2022-11-23T10:20:30,5Z",
        "2022-11-23T10:20:30+24:00",
        "2022-11-23T10:20:30+01:60",
        "2022-11-23T10:20:30+23:60",
        "2022-11-23T10:20:30+0100",
        "0000-01-01",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "٢٠٢٢-11-23",
        "2022-11-23\n",
    ],
)
def test_malformed_timestamps(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        timestamps.parse(text)


@given(st.integers(0, 253402300799))
def test_http_dates_are_lossless(seconds: int) -> None:
    text = timestamps.render_http_date(seconds * timestamps.TICKS_PER_SECOND)
    assert timestamps.parse_http_date(text) == seconds * timestamps.TICKS_PER_SECOND
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", text)


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"))
def test_parse_http_date_raises_only_value_errors(text: str) -> None:
    try:
        instant = timestamps.parse_http_date(text)
    except ValueError:
        return
    assert YEAR_1 <= instant < YEAR_10000


def test_http_date_of_the_documentation() -> None:
    instant = timestamps.parse_http_date("Thu, 06 Mar 2025 00:20:03 GMT")
    assert timestamps.render(instant) == "2025-03-06T00:20:03+00:00"
