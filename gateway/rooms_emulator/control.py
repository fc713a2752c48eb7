"""The control API: `/_emulator/` endpoints, with which tests control the emulator.

`control_access` decides which requests it accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from rooms_emulator.auth.authenticator import Authenticator
from rooms_emulator.clock import Clock
from rooms_emulator.control_access import ControlAccess
from rooms_emulator.control_messages import (
    Added,
    ClockChange,
    ClockState,
    FaultId,
    FaultList,
    Keys,
    QuotaList,
    QuotaTexts,
    Refusal,
    RequestLog,
    Seed,
    Seeded,
    Tokens,
    logged,
)
from rooms_emulator.faults.plan import FaultPlan
from rooms_emulator.faults.presets import from_members
from rooms_emulator.faults.rules import Faults
from rooms_emulator.http import headers, wire
from rooms_emulator.http.messages import EncodedResponse
from rooms_emulator.identity.store import Identities
from rooms_emulator.journal import Journal
from rooms_emulator.page.overview import Overview, Selected, Sources
from rooms_emulator.problems import Envelope, ErrorBody, ServiceError
from rooms_emulator.quotas.limits import Quotas
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.store import Store

PREFIX = "/_emulator/"
OVERVIEW = f"{PREFIX}overview"
"""Path that the page for browsers polls."""
HEALTH = f"{PREFIX}health"
"""Path of the probe, which every client may use, and which has no line in the access log."""

_QUERIED = frozenset({"GET", "DELETE"})

T = TypeVar("T")


class ControlApi:
    """The control API; its endpoints are the rows in `__init__`.

    `reset` restores the faults in `plan`, and the quotas that `quotas` contained at first; `refuse`
    refuses connections for a number of seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        identities: Identities,
        creates: RememberedCreates,
        authenticator: Authenticator,
        faults: Faults,
        quotas: Quotas,
        journal: Journal,
        clock: Clock,
        plan: FaultPlan,
        refuse: Callable[[float], None],
        access: ControlAccess,
    ) -> None:
        self._store = store
        self._identities = identities
        self._creates = creates
        self._authenticator = authenticator
        self._faults = faults
        self._quotas = quotas
        self._first_quotas = tuple(state.quota for state in quotas.list())
        self._journal = journal
        self._clock = clock
        self._plan = plan
        self._refuse = refuse
        self._access = access
        self._overview = Sources(store, identities, journal, faults, quotas, clock).overview
        self._endpoints: dict[str, dict[str, Callable[[bytes], msgspec.Struct | None]]] = {
            "reset": {"POST": self._reset},
            "rooms": {"POST": self._seed},
            "keys": {"POST": self._change_keys},
            "tokens": {"POST": self._change_tokens},
            "clock": {"GET": self._read_clock, "POST": self._change_clock},
            "overview": {"GET": self._read_overview},
            "journal": {"GET": self._read_journal, "DELETE": self._clear_journal},
            "faults": {
                "GET": self._list_faults,
                "POST": self._add_fault,
                "PUT": self._replace_faults,
                "DELETE": self._clear_faults,
            },
            "quotas": {
                "GET": self._list_quotas,
                "PUT": self._replace_quotas,
                "DELETE": self._clear_quotas,
            },
            "refuse": {"POST": self._refuse_connections},
        }

    def reset(self) -> None:
        """Restore the initial state, without rooms, users and requests."""
        self._store.clear()
        self._identities.clear()
        self._creates.clear()
        self._authenticator.reset()
        self._faults.replace(*self._plan)
        self._quotas.replace(self._first_quotas)
        self._journal.clear()
        self._clock.reset()
        self._refuse(0)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle a request to the control API."""
        try:
            self._access.check(request)
            body = await wire.receive(request)
            response = self._respond(request.method, request.raw_path, body)
        except ServiceError as error:
            response = _encode(error.status, Envelope(error.body), dict(error.headers))
        return await wire.send(request, response)

    def _respond(self, method: str, target: str, body: bytes) -> EncodedResponse:
        path, _, query = target.partition("?")
        methods = self._endpoints.get(path.removeprefix(PREFIX))
        if methods is None:
            known = ", ".join(PREFIX + name for name in self._endpoints)
            raise _error(HTTPStatus.NOT_FOUND, "NotFound", f"Unknown path. Use one of {known}.")
        if method not in methods:
            allowed = ", ".join(methods)
            error = ErrorBody("MethodNotAllowed", f"Use one of the methods {allowed}.")
            raise ServiceError(HTTPStatus.METHOD_NOT_ALLOWED, error, {"Allow": allowed})
        try:
            # Methods without a body have their arguments in the query.
            result = methods[method](query.encode() if method in _QUERIED else body)
        # msgspec's ValidationError and DecodeError are ValueErrors, as are those of the parts.
        except (ValueError, RecursionError) as error:
            raise _error(HTTPStatus.BAD_REQUEST, "InvalidControlRequest", str(error)) from None
        if result is None:
            return EncodedResponse(HTTPStatus.NO_CONTENT, {}, None)
        return _encode(HTTPStatus.OK, result, {})

    def _reset(self, _: bytes) -> None:
        self.reset()

    def _seed(self, body: bytes) -> Seeded:
        seed = msgspec.json.decode(body, type=Seed)
        ids = self._store.seed(seed.count, deleted=seed.deleted, participants=seed.participants)
        return Seeded(ids)

    def _change_keys(self, body: bytes) -> None:
        self._authenticator.keys = tuple(msgspec.json.decode(body, type=Keys).keys)

    def _change_tokens(self, body: bytes) -> None:
        accepted = frozenset(msgspec.json.decode(body, type=Tokens).tokens)
        self._authenticator.bearer = accepted.__contains__

    def _read_clock(self, _: bytes) -> ClockState:
        return ClockState.of(self._clock)

    def _change_clock(self, body: bytes) -> ClockState:
        change = msgspec.json.decode(body, type=ClockChange)
        if change.offset_seconds is not None:
            self._clock.set_offset(change.offset_seconds)
        if change.advance_seconds is not None:
            self._clock.advance(change.advance_seconds)
        if change.frozen is not None:
            (self._clock.freeze if change.frozen else self._clock.resume)()
        return self._read_clock(body)

    def _read_overview(self, query: bytes) -> Overview:
        return self._overview(_parse_query(query, Selected))

    def _read_journal(self, _: bytes) -> RequestLog:
        return RequestLog([logged(entry) for entry in self._journal])

    def _clear_journal(self, _: bytes) -> None:
        self._journal.clear()

    def _list_faults(self, _: bytes) -> FaultList:
        return FaultList(self._faults.seed, self._faults.list())

    def _add_fault(self, body: bytes) -> Added:
        members = msgspec.json.decode(body, type=dict[str, Any])
        return Added(self._faults.add(from_members(members)))

    def _replace_faults(self, body: bytes) -> FaultList:
        plan = FaultPlan.parse(msgspec.json.decode(body))
        self._faults.replace(*plan)
        return self._list_faults(body)

    def _clear_faults(self, query: bytes) -> None:
        fault_id = _parse_query(query, FaultId).id
        if fault_id is None:
            self._faults.clear()
        else:
            self._faults.remove(fault_id)

    def _list_quotas(self, _: bytes) -> QuotaList:
        return QuotaList(self._quotas.list())

    def _replace_quotas(self, body: bytes) -> QuotaList:
        self._quotas.replace(msgspec.json.decode(body, type=QuotaTexts).quotas)
        return self._list_quotas(body)

    def _clear_quotas(self, _: bytes) -> None:
        self._quotas.clear()

    def _refuse_connections(self, body: bytes) -> None:
        self._refuse(msgspec.json.decode(body, type=Refusal).seconds)


def _parse_query(query: bytes, model: type[T]) -> T:
    return msgspec.convert(dict(parse_qsl(query.decode())), model, strict=False)


def _error(status: int, code: str, message: str) -> ServiceError:
    return ServiceError(status, ErrorBody(code, message))


def _encode(status: int, content: msgspec.Struct, lines: dict[str, str]) -> EncodedResponse:
    body = msgspec.json.encode(content)
    return EncodedResponse(status, {"Content-Type": headers.JSON, **lines}, body)
