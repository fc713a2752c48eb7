"""JSON messages of the control API; docs/emulator.md describes them."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.faults.rules import Rule
from rooms_emulator.journal import JournalEntry
from rooms_emulator.quotas.limits import QuotaState
from rooms_emulator.rooms.records import MAX_PARTICIPANTS


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    """Rooms to add."""

    count: Annotated[int, Meta(ge=0, le=100_000)]
    deleted: bool = False
    participants: Annotated[int, Meta(ge=0, le=MAX_PARTICIPANTS)] = 0


class Seeded(msgspec.Struct, rename="camel"):
    """Ids of the added rooms, oldest first."""

    room_ids: list[str]


class ClockChange(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Changes of the clock, applied in this order."""

    offset_seconds: float | None = None
    advance_seconds: float | None = None
    frozen: bool | None = None


class ClockState(msgspec.Struct, rename="camel"):
    """State of the clock."""

    now: str
    frozen: bool
    offset_seconds: float

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Return the message for a clock."""
        return cls(timestamps.render(clock.now()), clock.frozen, clock.offset_seconds)


class Keys(msgspec.Struct, forbid_unknown_fields=True):
    """Access keys (base64) that replace the accepted ones."""

    keys: list[str]


class Tokens(msgspec.Struct, forbid_unknown_fields=True):
    """Bearer tokens that replace the accepted ones."""

    tokens: list[str]


class FaultId(msgspec.Struct, forbid_unknown_fields=True):
    """Id of the fault to remove; None: all."""

    id: int | None = None


class Added(msgspec.Struct):
    """Id of an added fault."""

    id: int


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """Time to refuse connections for, in seconds; 0 ends a refusal."""

    seconds: Annotated[float, Meta(ge=0, le=3600)]


class FaultList(msgspec.Struct):
    """The faults in order, with their counters, and the seed."""

    seed: int
    faults: tuple[Rule, ...]


class QuotaTexts(msgspec.Struct, forbid_unknown_fields=True):
    """Quotas that replace those in use, in their text form."""

    quotas: list[str]


class QuotaList(msgspec.Struct):
    """The quotas in use, with their counters."""

    quotas: tuple[QuotaState, ...]


class LoggedFault(msgspec.Struct):
    """The fault injected into a request: id and label of its rule, and the drawn values."""

    id: int
    label: str
    latency: float
    status: int | None


class LoggedEffect(msgspec.Struct):
    """The change of a room or its roster; numbers grow in the order of the changes."""

    number: int
    room: str


class LoggedResponse(msgspec.Struct):
    """A response in the journal, without tokens; the body is cut off after 64 KiB."""

    headers: dict[str, str]
    body: str


class LoggedRequest(msgspec.Struct):
    """One request in the journal, without credentials and tokens."""

    number: int
    at: str
    operation: str
    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int | None
    faulty: bool
    fault: LoggedFault | None
    quota: str | None
    effect: LoggedEffect | None
    response: LoggedResponse | None


class RequestLog(msgspec.Struct):
    """The latest requests, oldest first."""

    requests: list[LoggedRequest]


def logged(entry: JournalEntry) -> LoggedRequest:
    """Return the message for a request in the journal."""
    injected, effect, response = entry.fault, entry.effect, entry.response
    fault = None
    if injected is not None:
        label, latency, status = injected.fault.label, injected.latency, injected.status
        fault = LoggedFault(injected.id, label, latency, status)
    return LoggedRequest(
        entry.number,
        timestamps.render(entry.at),
        entry.operation,
        entry.method,
        entry.shown_target(),
        entry.shown_headers(),
        entry.shown_body(),
        entry.status,
        entry.faulty,
        fault,
        entry.quota,
        LoggedEffect(*effect) if effect else None,
        LoggedResponse(dict(response.headers), response.shown_body()) if response else None,
    )
