"""Everything that the page shows, as one bounded message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import msgspec

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.control_messages import ClockState, LoggedRequest, QuotaList, logged
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.presets import PRESETS
from rooms_emulator.faults.rules import Faults, Rule
from rooms_emulator.identity.store import Identities, User
from rooms_emulator.journal import Journal, JournalEntry
from rooms_emulator.output.access_log import shown_target
from rooms_emulator.quotas.limits import Quotas
from rooms_emulator.rooms.records import Participant, Room
from rooms_emulator.rooms.store import NoSuchRoomError, Store

LIMIT = 200
"""Number of rooms, users, requests and faults in an overview: the newest of each."""

_MAX_TEXT = 80

T = TypeVar("T")


class Selected(msgspec.Struct, forbid_unknown_fields=True):
    """The room and the request of which an overview contains everything."""

    room: str | None = None
    """Room id."""
    request: int | None = None
    """Number in the journal."""


class Newest(msgspec.Struct, Generic[T]):
    """The newest of `total` items, newest first."""

    total: int
    items: list[T]


class RoomLine(msgspec.Struct, rename="camel"):
    """A room without its roster."""

    id: str
    created_at: str
    valid_from: str
    valid_until: str
    pstn_dial_out_enabled: bool
    join_policy: str
    participants: int


class ParticipantLine(msgspec.Struct, rename="camel"):
    """A participant."""

    raw_id: str
    role: str


class RosteredRoom(msgspec.Struct):
    """The selected room."""

    room: RoomLine
    roster: list[ParticipantLine]


class UserLine(msgspec.Struct, rename="camel"):
    """A communication user."""

    id: str
    custom_id: str | None
    last_token_issued_at: str | None


class RequestLine(msgspec.Struct):
    """A request in the journal, without headers and bodies."""

    number: int
    at: str
    method: str
    target: str
    """As in the access log: of the query, only `api-version` has its value."""
    operation: str
    status: int | None
    fault: str | None
    """Label or id of the fault that was injected."""
    quota: str | None
    room: str | None
    """Id of the room that the request changed."""


class FaultLine(msgspec.Struct):
    """A fault in the list."""

    id: int
    label: str
    operation: str
    effect: str
    """Its other members, as text."""
    count: int | None
    matched: int
    struck: int


class Overview(msgspec.Struct):
    """The state of the emulator, as the page shows it."""

    clock: ClockState
    rooms: Newest[RoomLine]
    users: Newest[UserLine]
    requests: Newest[RequestLine]
    faults: Newest[FaultLine]
    quotas: QuotaList
    presets: list[str]
    """Names of faults that can be added."""
    operations: tuple[str, ...]
    """Operations that a fault can apply to."""
    room: RosteredRoom | None
    request: LoggedRequest | None


class Sources(NamedTuple):
    """The parts of the emulator that an overview reads."""

    store: Store
    identities: Identities
    journal: Journal
    faults: Faults
    quotas: Quotas
    clock: Clock

    def overview(self, selected: Selected) -> Overview:
        """Return the current state."""
        store, users, entries = self.store, self.identities.state().users, [*self.journal]
        rules = self.faults.list()
        request = next((each for each in entries if each.number == selected.request), None)
        rooms = [_room(room, len(store.roster(room.id))) for room in islice(_rooms(store), LIMIT)]
        return Overview(
            clock=ClockState.of(self.clock),
            rooms=Newest(len(store), rooms),
            users=Newest(len(users), [_user(each) for each in _newest(users)]),
            requests=Newest(len(entries), [_request(each) for each in _newest(entries)]),
            faults=Newest(len(rules), [_fault(each) for each in _newest(rules)]),
            quotas=QuotaList(self.quotas.list()),
            presets=list(PRESETS),
            operations=self.faults.operations,
            room=None if selected.room is None else _rostered(store, selected.room),
            request=None if request is None else logged(request),
        )


def _newest(items: Iterable[T]) -> Iterator[T]:
    return islice(reversed([*items]), LIMIT)


def _rooms(store: Store) -> Iterator[Room]:
    page = store.rooms_page()
    yield from page.items
    while page.next is not None:
        page = store.rooms_page(page.next)
        yield from page.items


def _room(room: Room, participants: int) -> RoomLine:
    return RoomLine(
        room.id,
        timestamps.render(room.created_at),
        timestamps.render(room.valid_from),
        timestamps.render(room.valid_until),
        room.pstn_dial_out_enabled,
        room.join_policy,
        participants,
    )


def _rostered(store: Store, room_id: str) -> RosteredRoom | None:
    try:
        room, roster = store.get(room_id), store.roster(room_id)
    except NoSuchRoomError:
        return None
    return RosteredRoom(_room(room, len(roster)), [_participant(each) for each in roster])


def _participant(participant: Participant) -> ParticipantLine:
    return ParticipantLine(participant.raw_id, participant.role)


def _user(user: User) -> UserLine:
    issued = user.last_token_issued_at
    return UserLine(user.id, user.custom_id, None if issued is None else timestamps.render(issued))


def _request(entry: JournalEntry) -> RequestLine:
    injected = entry.fault
    return RequestLine(
        entry.number,
        timestamps.render(entry.at),
        entry.method,
        shown_target(entry.target),
        entry.operation,
        entry.status,
        None if injected is None else injected.fault.label or f"#{injected.id}",
        entry.quota,
        None if entry.effect is None else entry.effect.room,
    )


def _fault(rule: Rule) -> FaultLine:
    fault = rule.fault
    return FaultLine(
        rule.id,
        fault.label,
        fault.operation,
        _effect(fault),
        fault.count,
        rule.matched,
        rule.struck,
    )


def _effect(fault: Fault) -> str:
    """Return the members that differ from their defaults, except those of other columns."""
    shown = msgspec.structs.replace(fault, keys=("REDACTED",) if fault.keys else None)
    members = {
        name: value
        for name, value in msgspec.structs.asdict(shown).items()
        if name not in {"label", "operation", "count"} and value != getattr(Fault(), name)
    }
    return ", ".join(f"{name} {str(value)[:_MAX_TEXT]}" for name, value in members.items())
