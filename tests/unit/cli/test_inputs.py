from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.fake_gateway import run

from rooms_gateway.cli.client.inputs import Instant, Participant, parse_instant, parse_participant

NOW = 1_000_000_000.25


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", Instant(0, 0)),
        ("1969-12-31T23:59:59.999999999Z", Instant(-1, 999_999_999)),
        ("2030-01-01t00:00:00.1z", Instant(1_893_456_000, 100_000_000)),
        ("2030-01-01 00:00:00", Instant(1_893_456_000, 0)),
        ("2030-01-01", Instant(1_893_456_000, 0)),
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


@pytest.mark.parametrize("year", [1, 1600, 1970, 2024, 9999])
def test_time_agrees_with_datetime(year: int) -> None:
    moment = datetime(year, 2, 28, 12, 34, 56, tzinfo=UTC)
    assert parse_instant(moment.isoformat(), NOW).seconds == round(moment.timestamp())


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
        (["rooms", "create", "--valid-from", "+2x"], "not a time"),
        (["rooms", "create", "--valid-from", "+999999999w"], "out of range"),
        (["rooms", "create", "--valid-from", "0001-01-01T00:00:00+01:00"], "out of range"),
        (["rooms", "create", "--valid-from", "2030-01-01T00:00:00+99:00"], "not a time"),
        (["rooms", "create", "--request-id", "7"], "not a valid UUID"),
        (["rooms", "get"], "Missing argument 'ROOM_ID'"),
        (["rooms", "get", "7", "--timeout", "0"], "range"),
        (["rooms", "get", "7", "--address", "http://localhost:50051"], "without http://"),
        (["rooms", "get", "7", "--address", "localhost"], "the port is missing"),
        (["rooms", "list", "--max-pages", "-1"], "range"),
        (["participants", "upsert", "7"], "Missing argument"),
        (["participants", "remove", "7"], "Missing argument"),
        (["participants", "update", "7", "--upsert", "x=king"], "'king' is not a role"),
    ],
)
def test_usage_error_exits_with_2_before_any_call(arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert error in result.stderr
