"""Arguments of the client commands, parsed; without grpc or protobuf, which are slow to import."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import click

from rooms_gateway.stray_marks import stray_mark

ROLES = ("presenter", "attendee", "consumer", "collaborator")
SCOPES = ("voip.join", "voip", "chat.join.limited", "chat.join", "chat")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SPANS = re.compile(r"(?:\d{1,9}[wdhms])+", re.ASCII)
_RELATIVE = re.compile(rf"([+-])({_SPANS.pattern})", re.ASCII)
_CUSTOM = "custom:"
_MAX_DURATION = 315_576_000_000
"""Seconds that a google.protobuf.Duration can have."""
_ABSOLUTE = re.compile(
    r"(?P<date>\d{4}(?P<dash>-?)(?:\d\d(?P=dash)\d\d|W\d\d(?:(?P=dash)\d)?))"
    r"(?:[T ](?P<clock>\d\d(?:(?P<colon>:?)\d\d(?:(?P=colon)\d\d(?:[.,](?P<fraction>\d{1,9}))?)?)?)"
    r"(?P<offset>Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)


class Instant(NamedTuple):
    """A point in time with nanoseconds; `datetime` has microseconds only.

    `seconds` since 1970-01-01T00:00:00Z, and `nanos` from 0 to 999,999,999 after that.
    """

    seconds: int
    nanos: int


class Participant(NamedTuple):
    """A raw id, and one of ROLES or None for the default of the Rooms service."""

    raw_id: str
    role: str | None


class Guest(NamedTuple):
    """A user to admit to a room, with one of ROLES or None to keep the current role."""

    kind: Literal["raw_id", "custom_id", "new_user"]
    id: str
    """Empty for a new user."""
    role: str | None
    label: str


class TokenOptions(NamedTuple):
    """Scopes of an access token, of SCOPES, and its lifetime in seconds; None for the default."""

    scopes: tuple[str, ...] = ()
    lifetime: int | None = None


class RoomFilter(NamedTuple):
    """Conditions on the rooms of a list; None is no condition."""

    valid_at: Instant | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    valid_until_before: Instant | None = None
    pstn_dial_out: bool | None = None


class DryRun(NamedTuple):
    """A request for a dry run."""

    show_identifiers: bool


def parse_instant(text: str, now: float) -> Instant:
    """Parse an ISO 8601 time or date (UTC without an offset), "now", or an offset such as "+2h".

    As in `az communication rooms`, a time may have no seconds, a blank for "T", and an offset
    without a colon. `now` is the current time in seconds since 1970. Relative times are rounded up
    to whole seconds. Raises ValueError, with a text for the user, for anything else.
    """
    if text == "now":
        return Instant(math.ceil(now), 0)
    if relative := _RELATIVE.fullmatch(text):
        sign, spans = relative.groups()
        distance = _total(spans)
        instant = Instant(math.ceil(now) + (-distance if sign == "-" else distance), 0)
    elif absolute := _ABSOLUTE.fullmatch(text):
        date, clock, offset = absolute.group("date", "clock", "offset")
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00'}{offset or 'Z'}".upper())
        nanos = int((absolute["fraction"] or "").ljust(9, "0"))
        instant = Instant((moment - _EPOCH) // timedelta(seconds=1), nanos)
    else:
        raise ValueError(
            "not a time; use a form such as 2030-01-31T09:00:00Z, 2030-01-31T09:00+01:00,"
            " 2030-01-31, now, +2h or +1d12h"
        )
    if not _FIRST <= instant.seconds <= _LAST:
        raise ValueError("out of range; the year must be 1 to 9999")
    return instant


def parse_duration(text: str) -> int:
    """Parse a length of time such as "2h" or "1h30m"; return it in seconds.

    Raises ValueError, with a text for the user, for anything else.
    """
    if _SPANS.fullmatch(text) is None:
        raise ValueError("not a length of time; use a form such as 2h, 90m or 1h30m")
    if (seconds := _total(text)) > _MAX_DURATION:
        raise ValueError("out of range")
    return seconds


def parse_participant(text: str) -> Participant:
    """Parse `RAW_ID` or `RAW_ID=role`; the role, in any case, follows the last "=".

    Raises ValueError, with a text for the user, if the raw id is empty or the role is unknown.
    """
    raw_id, equals, role = text.rpartition("=")
    if not equals:
        raw_id, role = text, ""
    elif role.lower() not in ROLES:
        raise ValueError(f"{role!r} is not a role; the roles are {', '.join(ROLES)}")
    if not raw_id:
        raise ValueError("the raw id is missing; use RAW_ID or RAW_ID=role")
    return Participant(raw_id, role.lower() or None)


def parse_guest(text: str) -> Guest:
    """Parse `RAW_ID`, `custom:ID` or `new`, optionally followed by `=role` and `#label`.

    The label follows the last "#", the role the last "=" before it. Raises ValueError, with a text
    for the user, if the id is empty or the role is unknown.
    """
    guest, mark, label = text.rpartition("#")
    if not mark:
        guest, label = text, ""
    name, role = parse_participant(guest)
    if name == "new":
        return Guest("new_user", "", role, label)
    if not name.startswith(_CUSTOM):
        return Guest("raw_id", name, role, label)
    if name == _CUSTOM:
        raise ValueError("the id is missing; use custom:ID")
    return Guest("custom_id", name.removeprefix(_CUSTOM), role, label)


def parse_address(text: str) -> str:
    """Check a gRPC target: host:port, unix:/path or another scheme that gRPC supports.

    Raises ValueError, with a text for the user, for a URL, quotation marks, or a missing port.
    """
    if (mark := stray_mark(text)) is not None:
        raise ValueError(f"the address {mark}")
    if text.startswith(("http://", "https://")):
        raise ValueError("use host:port, without http://")
    if ":" not in text:
        raise ValueError("the port is missing; use host:port or unix:/path")
    return text


def parse_resource(text: str) -> str:
    """Check the name of a resource. Raises ValueError, with a text for the user."""
    if re.fullmatch(r"[a-z0-9-]{1,63}", text) is None:
        raise ValueError("not a name; use letters a-z, digits and dashes")
    return text


def _total(spans: str) -> int:
    return sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)(\w)", spans))


class _Parsed(click.ParamType[object, str]):
    """A click type made of a function that raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        try:
            return self._parse(value)
        except ValueError as error:
            return self.fail(f"{value!r}: {error}", param, ctx)


INSTANT = _Parsed("time", lambda text: parse_instant(text, time.time()))
DURATION = _Parsed("duration", parse_duration)
PARTICIPANT = _Parsed("raw_id[=role]", parse_participant)
GUEST = _Parsed("guest", parse_guest)
RESOURCE = _Parsed("name", parse_resource)

address_flag = click.option(
    "--address",
    type=_Parsed("address", parse_address),
    default="127.0.0.1:50051",
    envvar="ROOMS_GATEWAY_ADDRESS",
    show_default=True,
    show_envvar=True,
    help="Address of the gateway: host:port or unix:/path.",
)
"""Decorator that adds `--address` to a command."""
