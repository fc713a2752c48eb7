from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from rooms_gateway.errors import InvalidRequestError, InvalidUpstreamResponseError
from rooms_gateway.services.convert.timestamps import from_rest, to_rest

FIRST, LAST = -62_135_596_800, 253_402_300_799
SECONDS = st.integers(FIRST, LAST)
NANOS = st.integers(0, 999_999_999)


@given(SECONDS, NANOS)
@example(FIRST, 0)
@example(LAST, 999_999_999)
@example(-1, 999_999_999)
def test_timestamps_round_trip_to_the_nanosecond(seconds: int, nanos: int) -> None:
    time = Timestamp(seconds=seconds, nanos=nanos)
    assert from_rest(to_rest(time, "f")) == time


@given(SECONDS, NANOS)
def test_timestamps_match_protobuf_json(seconds: int, nanos: int) -> None:
    """Except for trailing zeros."""
    time = Timestamp(seconds=seconds, nanos=nanos)
    theirs = time.ToJsonString().removesuffix("Z")
    ours = to_rest(time, "f").removesuffix("Z")
    assert ours == (theirs.rstrip("0") if "." in theirs else theirs)


@given(SECONDS, st.integers(0, 9_999_999))
def test_upstream_times_are_exact_to_the_tick(seconds: int, ticks: int) -> None:
    """Such times have up to seven digits, no trailing zeros, and always `+00:00`."""
    whole = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
    fraction = f".{ticks:07d}".rstrip("0").rstrip(".")
    time = from_rest(f"{whole.isoformat()}{fraction}+00:00")
    assert time == Timestamp(seconds=seconds, nanos=ticks * 100)


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001 - the offset is a separate argument
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_offsets_are_converted_to_utc(local: datetime, minutes: int) -> None:
    sign, (hours, rest) = "+-"[minutes < 0], divmod(abs(minutes), 60)
    time = from_rest(f"{local.isoformat()}{sign}{hours:02d}:{rest:02d}")
    expected = Timestamp()
    expected.FromDatetime(local - timedelta(minutes=minutes))
    assert time == expected


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-06T00:20:03Z",
        "2025-03-06T00:20:03z",
        "2025-03-06t00:20:03Z",
        "2025-03-06 00:20:03Z",
        "2025-03-06T00:20:03",
        "2025-03-06T00:20:03.000Z",
        "2025-03-06T00:20:03.0000000000000001Z",
        "2025-03-06T00:20:03-00:00",
    ],
)
def test_any_form_of_rfc_3339_is_parsed(text: str) -> None:
    assert from_rest(text) == Timestamp(seconds=1_741_220_403)


def test_a_missing_time_is_none() -> None:
    assert from_rest(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-06T05:50:03.1234567+05:30",
        "2025-03-06T00:20:03.123456700000Z",
        "2025-03-05T23:20:03.1234567-01:00",
    ],
)
def test_unusual_times_of_usual_length_are_parsed(text: str) -> None:
    assert from_rest(text) == Timestamp(seconds=1_741_220_403, nanos=123_456_700)


@given(
    st.text(max_size=40)
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.[\w+:.-]{13}", fullmatch=True)
    | st.from_regex(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:\d\d)?", fullmatch=True
    )
)
@example("0001-01-01T00:00:00+00:01")
@example("9999-12-31T23:59:59-00:01")
@example("2025-03-06T24:00:00Z")
@example("2025-02-29T00:00:00Z")
@example("2025-03-06T00:20:03.123456\u0667+00:00")
@example("2025-03-06T00:20:03.123456x+00:00")
@example("0001-01-01T00:00:00.0000000+00:01")
@example("9999-12-31T23:59:59.9999999+00:0")
@example("9999-12-31T23:59:59.999999+00:001")
@example("\u0662\u0660\u0662\u0665-03-06T00:20:03Z")
def test_any_text_is_a_time_in_range_or_invalid(text: str) -> None:
    try:
        time = from_rest(text)
    except InvalidUpstreamResponseError:
        return
    assert time is not None
    assert time.ToJsonString()


@given(
    st.integers(-(2**63), 2**63 - 1).filter(lambda seconds: not FIRST <= seconds <= LAST),
    st.integers(-(2**31), 2**31 - 1),
)
def test_seconds_out_of_range_name_the_field(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        to_rest(Timestamp(seconds=seconds, nanos=nanos), "valid_from")
    assert [violation.field for violation in raised.value.violations] == ["valid_from"]


@given(SECONDS, st.integers(-(2**31), -1) | st.integers(1_000_000_000, 2**31 - 1))
def test_nanos_out_of_range_name_the_field(seconds: int, nanos: int) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        to_rest(Timestamp(seconds=seconds, nanos=nanos), "valid_until")
    assert [violation.field for violation in raised.value.violations] == ["valid_until"]
