"""What tests may do to the emulator, under a path that the real service does not have.

No credentials are asked for; only callers on the same machine are let in.
"""

from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from rooms_emulator import timestamps
from rooms_emulator.auth.callers import Callers
from rooms_emulator.clock import Clock
from rooms_emulator.faults import plan as fault_plan
from rooms_emulator.faults.plan import Plan
from rooms_emulator.faults.presets import from_members
from rooms_emulator.faults.rules import Faults, Rule
from rooms_emulator.http import headers, wire
from rooms_emulator.http.wire import Reply
from rooms_emulator.identity.store import Identities
from rooms_emulator.journal import Entry, Journal
from rooms_emulator.problems import Envelope, ErrorBody, ServiceError
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.roster import LARGEST_ROSTER
from rooms_emulator.rooms.store import Store

PREFIX: Final = "/_emulator/"


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    """Rooms to add."""

    count: Annotated[int, Meta(ge=0, le=100_000)]
    deleted: bool = False
    participants: Annotated[int, Meta(ge=0, le=LARGEST_ROSTER)] = 0


class Seeded(msgspec.Struct, rename="camel"):
    """The ids of the rooms that were added, oldest first."""

    room_ids: list[str]


class ClockChange(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What to do to the clock, in this order."""

    offset_seconds: float | None = None
    advance_seconds: float | None = None
    frozen: bool | None = None


class ClockState(msgspec.Struct, rename="camel"):
    """How the clock stands."""

    now: str
    frozen: bool
    offset_seconds: float


class Keys(msgspec.Struct, forbid_unknown_fields=True):
    """The access keys to accept from now on, base64, instead of those before."""

    keys: list[str]


class Tokens(msgspec.Struct, forbid_unknown_fields=True):
    """The bearer tokens to accept from now on, instead of those before."""

    tokens: list[str]


class Added(msgspec.Struct):
    """The id of a fault that was added."""

    id: int


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """How long to refuse connections; 0 ends a refusal."""

    seconds: Annotated[float, Meta(ge=0, le=3600)]


class FaultList(msgspec.Struct):
    """The rules, in order, and the seed of what is drawn for them."""

    seed: int
    faults: tuple[Rule, ...]


class FaultNote(msgspec.Struct):
    """The fault that struck a request: the id and label of its rule, and what was drawn."""

    id: int
    label: str
    latency: float
    status: int | None


class EffectNote(msgspec.Struct):
    """What a request changed: a room, or its roster; numbers grow in the order of the changes."""

    number: int
    room: str


class JournalEntry(msgspec.Struct):
    """One request, without its credentials."""

    number: int
    at: str
    operation: str
    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int | None
    faulty: bool
    fault: FaultNote | None
    effect: EffectNote | None


class JournalList(msgspec.Struct):
    """The latest requests, oldest first."""

    requests: list[JournalEntry]


class Control:
    """The control path: each route is a row in ``__init__``."""

    def __init__(  # noqa: PLR0913 - the parts that it may change
        self,
        *,
        store: Store,
        identities: Identities,
        creates: RememberedCreates,
        callers: Callers,
        faults: Faults,
        journal: Journal,
        clock: Clock,
        plan: Plan,
        refuse: Callable[[float], None],
    ) -> None:
        self._store = store
        self._identities = identities
        self._creates = creates
        self._callers = callers
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._plan = plan
        self._refuse = refuse
        self._routes: dict[str, dict[str, Callable[[bytes], msgspec.Struct | None]]] = {
            "reset": {"POST": self._reset},
            "rooms": {"POST": self._seed},
            "keys": {"POST": self._change_keys},
            "tokens": {"POST": self._change_tokens},
            "clock": {"GET": self._read_clock, "POST": self._change_clock},
            "journal": {"GET": self._read_journal, "DELETE": self._clear_journal},
            "faults": {
                "GET": self._list_faults,
                "POST": self._add_fault,
                "PUT": self._replace_faults,
                "DELETE": self._clear_faults,
            },
            "refuse": {"POST": self._refuse_connections},
        }

    def reset(self) -> None:
        """Make it as at its start: no rooms, identities, requests; the first faults, real time."""
        self._store.clear()
        self._identities.clear()
        self._creates.clear()
        self._callers.reset()
        self._faults.replace(*self._plan)
        self._journal.clear()
        self._clock.reset()
        self._refuse(0)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Do what a control request asks for."""
        try:
            if not is_local(request.remote):
                raise _refused(HTTPStatus.FORBIDDEN, "Forbidden", "Only this machine may control.")
            body = await wire.receive(request)
            reply = self._reply(request.method, request.raw_path.partition("?")[0], body)
        except ServiceError as error:
            reply = _json(error.status, Envelope(error.body), dict(error.headers))
        return await wire.send(request, reply)

    def _reply(self, method: str, path: str, body: bytes) -> Reply:
        methods = self._routes.get(path.removeprefix(PREFIX))
        if methods is None:
            known = ", ".join(PREFIX + name for name in self._routes)
            raise _refused(HTTPStatus.NOT_FOUND, "NotFound", f"There are {known}.")
        if method not in methods:
            allowed = ", ".join(methods)
            error = ErrorBody("MethodNotAllowed", f"There are {allowed}.")
            raise ServiceError(HTTPStatus.METHOD_NOT_ALLOWED, error, {"Allow": allowed})
        try:
            result = methods[method](body)
        # ValidationError and DecodeError of msgspec are ValueErrors, as are our own refusals.
        except (ValueError, RecursionError) as error:
            raise _refused(HTTPStatus.BAD_REQUEST, "InvalidControlRequest", str(error)) from None
        if result is None:
            return Reply(HTTPStatus.NO_CONTENT, {}, None)
        return _json(HTTPStatus.OK, result, {})

    def _reset(self, _: bytes) -> None:
        self.reset()

    def _seed(self, body: bytes) -> Seeded:
        seed = msgspec.json.decode(body, type=Seed)
        ids = self._store.seed(seed.count, deleted=seed.deleted, participants=seed.participants)
        return Seeded(ids)

    def _change_keys(self, body: bytes) -> None:
        self._callers.keys = tuple(msgspec.json.decode(body, type=Keys).keys)

    def _change_tokens(self, body: bytes) -> None:
        accepted = frozenset(msgspec.json.decode(body, type=Tokens).tokens)
        self._callers.bearer = accepted.__contains__

    def _read_clock(self, _: bytes) -> ClockState:
        clock = self._clock
        return ClockState(timestamps.render(clock.now()), clock.frozen, clock.offset_seconds)

    def _change_clock(self, body: bytes) -> ClockState:
        change = msgspec.json.decode(body, type=ClockChange)
        if change.offset_seconds is not None:
            self._clock.set_offset(change.offset_seconds)
        if change.advance_seconds is not None:
            self._clock.advance(change.advance_seconds)
        if change.frozen is not None:
            (self._clock.freeze if change.frozen else self._clock.resume)()
        return self._read_clock(body)

    def _read_journal(self, _: bytes) -> JournalList:
        return JournalList([_shown(entry) for entry in self._journal])

    def _clear_journal(self, _: bytes) -> None:
        self._journal.clear()

    def _list_faults(self, _: bytes) -> FaultList:
        return FaultList(self._faults.seed, self._faults.list())

    def _add_fault(self, body: bytes) -> Added:
        members = msgspec.json.decode(body, type=dict[str, Any])
        return Added(self._faults.add(from_members(members)))

    def _replace_faults(self, body: bytes) -> FaultList:
        plan = fault_plan.read(msgspec.json.decode(body))
        self._faults.replace(*plan)
        return self._list_faults(body)

    def _clear_faults(self, _: bytes) -> None:
        self._faults.clear()

    def _refuse_connections(self, body: bytes) -> None:
        self._refuse(msgspec.json.decode(body, type=Refusal).seconds)


def _shown(entry: Entry) -> JournalEntry:
    strike, effect = entry.strike, entry.effect
    return JournalEntry(
        entry.number,
        timestamps.render(entry.at),
        entry.operation,
        entry.method,
        entry.target.encode(errors="surrogateescape").decode(errors="replace"),
        entry.shown_headers(),
        entry.body.decode(errors="replace"),
        entry.status,
        entry.faulty,
        FaultNote(strike.id, strike.fault.label, strike.latency, strike.status) if strike else None,
        EffectNote(*effect) if effect else None,
    )


def is_local(address: str | None) -> bool:
    """Whether a peer, by its address, is on this machine."""
    if address is None:
        return False
    parsed = ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def _refused(status: int, code: str, message: str) -> ServiceError:
    return ServiceError(status, ErrorBody(code, message))


def _json(status: int, content: msgspec.Struct, lines: dict[str, str]) -> Reply:
    body = msgspec.json.encode(content)
    return Reply(status, {"Content-Type": headers.JSON, **lines}, body)
