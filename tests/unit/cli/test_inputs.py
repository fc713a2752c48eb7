from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.fake_gateway import run

from rooms_gateway.cli.client.inputs import (
    Guest,
    Instant,
    Participant,
    parse_duration,
    parse_guest,
    parse_instant,
    parse_participant,
)

NOW = 1_000_000_000.25


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", Instant(0, 0)),
        ("1969-12-31T23:59:59.999999999Z", Instant(-1, 999_999_999)),
        ("2030-01-01t00:00:00.1z", Instant(1_893_456_000, 100_000_000)),
        ("2030-01-01 00:00:00", Instant(1_893_456_000, 0)),
        ("2030-01-01", Instant(1_893_456_000, 0)),
        ("2030-01-01T00:00", Instant(1_893_456_000, 0)),
        ("2030-01-01 00:00", Instant(1_893_456_000, 0)),
        ("2030-01-01T00:00Z", Instant(1_893_456_000, 0)),
        ("2030-01-01T01:00:00+0100", Instant(1_893_456_000, 0)),
        ("2030-01-01 01:00+01", Instant(1_893_456_000, 0)),
        ("20300101T000000,000000001Z", Instant(1_893_456_000, 1)),
        ("20300101T00", Instant(1_893_456_000, 0)),
        ("2030-w01-2T00:00", Instant(1_893_456_000, 0)),
        ("2030-01-01T05:30:00.000000001+05:30", Instant(1_893_456_000, 1)),
        ("2029-12-31T16:00:00-08:00", Instant(1_893_456_000, 0)),
        ("9999-12-31T23:59:59.999999999Z", Instant(253_402_300_799, 999_999_999)),
        ("now", Instant(1_000_000_001, 0)),
        ("+2h", Instant(1_000_007_201, 0)),
        ("+3d", Instant(1_000_259_201, 0)),
        ("+1w1d1h1m1s", Instant(1_000_694_862, 0)),
        ("-30m", Instant(999_998_201, 0)),
    ],
)
def test_time_is_parsed_exactly(text: str, instant: Instant) -> None:
    assert parse_instant(text, NOW) == instant


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    moment=st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS),  # noqa: DTZ001 - hypothesis adds the time zone
    timespec=st.sampled_from(["hours", "minutes", "seconds", "milliseconds", "microseconds"]),
    separator=st.sampled_from(["T", "t", " "]),
)
def test_time_agrees_with_datetime(moment: datetime, timespec: str, separator: str) -> None:
    """In the extended and the basic format of date and time, mixed too."""
    text = moment.isoformat(separator, timespec)
    exact = datetime.fromisoformat(text) - EPOCH
    for date in (text[:10], text[:10].replace("-", "")):
        for clock in (text[10:], text[10:].replace(":", "")):
            seconds, nanos = parse_instant(date + clock, NOW)
            assert timedelta(seconds=seconds, microseconds=nanos / 1000) == exact


@given(st.text("0123456789-+:TWZ .,", max_size=25))
@example("2030-01-01T00:00:0.0")
@example("2030-W54-1")
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    """An accepted text means the same to datetime."""
    try:
        seconds, _ = parse_instant(text, NOW)
    except ValueError:
        return
    moment = datetime.fromisoformat(text)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    assert seconds == since // timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "participant"),
    [
        ("8:acs:a_b", Participant("8:acs:a_b", None)),
        ("8:acs:a_b=Attendee", Participant("8:acs:a_b", "attendee")),
        ("28:orgid:x=y=consumer", Participant("28:orgid:x=y", "consumer")),
    ],
)
def test_participant_is_raw_id_with_optional_role(text: str, participant: Participant) -> None:
    assert parse_participant(text) == participant


@pytest.mark.parametrize(
    ("text", "guest"),
    [
        ("new", Guest("new_user", "", None, "")),
        ("new=Presenter#Alice", Guest("new_user", "", "presenter", "Alice")),
        ("new#a=b: c", Guest("new_user", "", None, "a=b: c")),
        ("custom:new", Guest("custom_id", "new", None, "")),
        ("custom:a=b=consumer", Guest("custom_id", "a=b", "consumer", "")),
        ("custom:room#1#", Guest("custom_id", "room#1", None, "")),
        ("8:acs:a_b=attendee", Guest("raw_id", "8:acs:a_b", "attendee", "")),
        ("4:+1", Guest("raw_id", "4:+1", None, "")),
    ],
)
def test_label_follows_the_last_number_sign(text: str, guest: Guest) -> None:
    """And the role the last equals sign before it."""
    assert parse_guest(text) == guest


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("1d", 86400), ("0s", 0)]
)
def test_duration_is_a_sum_of_spans(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ["rooms", "create", "--participant", "8:acs:x=boss"],
            "'boss' is not a role; the roles are",
        ),
        (["rooms", "create", "--participant", "8:acs:x="], "'' is not a role"),
        (["rooms", "create", "--participant", "=presenter"], "the raw id is missing"),
        (["rooms", "create", "--participant", ""], "the raw id is missing"),
        (["rooms", "create", "--valid-from", "tomorrow"], "'tomorrow': not a time"),
        (["rooms", "create", "--valid-from", "2030-02-30"], "'2030-02-30'"),
        (["rooms", "create", "--valid-from", "2030-01-01T25:00:00Z"], "hour"),
        (["rooms", "create", "--valid-from", "2030-01-01T00:00:00.1234567890Z"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01T"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01_10:21"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01T10:2130"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01T10:21.5"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01 10:21 UTC"], "not a time"),
        (["rooms", "create", "--valid-from", "2030-01-01T10:60"], "minute"),
        (["rooms", "create", "--valid-from", "+2x"], "not a time"),
        (["rooms", "create", "--valid-from", "+999999999w"], "out of range"),
        (["rooms", "create", "--valid-from", "0001-01-01T00:00:00+01:00"], "out of range"),
        (["rooms", "create", "--valid-from", "2030-01-01T00:00:00+99:00"], "not a time"),
        (["rooms", "create", "--request-id", "7"], "not a valid UUID"),
        (["rooms", "get"], "Missing argument 'ROOM_ID...'"),
        (["rooms", "get", "7", "--timeout", "0"], "range"),
        (["rooms", "get", "7", "--address", "http://localhost:50051"], "without http://"),
        (["rooms", "get", "7", "--address", "localhost"], "the port is missing"),
        (["rooms", "list", "--max-pages", "-1"], "range"),
        (["participants", "upsert", "7"], "Missing argument"),
        (["participants", "remove", "7"], "Missing argument"),
        (["participants", "update", "7", "--upsert", "x=king"], "'king' is not a role"),
        (["rooms", "delete", "7", "--show-identifiers"], "--show-identifiers requires --dry-run"),
        (["users", "create", "--scope", "voip"], "--scope and --lifetime require --token"),
        (["users", "create", "--lifetime", "2h"], "--scope and --lifetime require --token"),
        (["users", "token", "8:acs:x", "--scope", "pstn"], "'pstn' is not one of 'voip.join'"),
        (["users", "token", "8:acs:x", "--lifetime", "2"], "'2': not a length of time"),
        (["users", "token", "8:acs:x", "--lifetime", "999999999w"], "out of range"),
        (["join", "admit", "7"], "Missing argument 'GUEST...'"),
        (["join", "admit", "7", "custom:=presenter"], "the id is missing; use custom:ID"),
        (["join", "admit", "7", "#Alice"], "the raw id is missing"),
        (["join", "admit", "7", "new=king#Alice"], "'king' is not a role"),
        (["join", "explain", "7", "8:acs:x", "--at", "soon"], "'soon': not a time"),
    ],
)
def test_usage_error_exits_with_2_before_any_call(arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
