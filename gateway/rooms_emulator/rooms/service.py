"""One request, from its first line to the answer, in the order in which the service checks it."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from rooms_emulator import problems
from rooms_emulator.auth.access_key import Signed
from rooms_emulator.auth.callers import Callers
from rooms_emulator.clock import Clock
from rooms_emulator.faults import connection_faults as breaking
from rooms_emulator.faults import response_faults as spoiling
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.rules import Faults, Strike
from rooms_emulator.http import bodies, headers, wire
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.wire import Reply
from rooms_emulator.journal import Entry, Journal
from rooms_emulator.problems import Envelope, ServiceError
from rooms_emulator.rooms import routes, versions
from rooms_emulator.rooms.legacy import LegacyOperations
from rooms_emulator.rooms.operations import Answer, Call
from rooms_emulator.rooms.roster import RosterFullError
from rooms_emulator.rooms.routes import Match
from rooms_emulator.rooms.store import NoSuchRoomError, Store

_LOG: Final = logging.getLogger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_NO_STRIKE: Final = Strike(0, Fault(), 0.0, None)


class Service:
    """The Rooms REST service, as seen over HTTP."""

    def __init__(  # noqa: PLR0913 - the parts that the composition root puts together
        self,
        *,
        callers: Callers,
        operations: LegacyOperations,
        store: Store,
        faults: Faults,
        journal: Journal,
        clock: Clock,
        stamp: ResponseHeaders,
        refuse: Callable[[float], None],
        legacy: bool = False,
    ) -> None:
        self._callers = callers
        self._operations = operations
        self._store = store
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._stamp = stamp
        self._refuse = refuse
        self._legacy = legacy

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, as well as the fault that strikes it lets us."""
        path, _, query = request.raw_path.partition("?")
        legacy = self._legacy and versions.is_legacy(query)
        match = routes.find(request.method, path, legacy=legacy)
        return await self.exchange(
            request,
            match.route.operation if match.route else "",
            partial(self._answer, match=match),
            partial(self._render, legacy=legacy),
        )

    async def exchange(
        self,
        request: web.BaseRequest,
        operation: str,
        answer: Callable[[Signed], Answer],
        render: Callable[[Answer | ServiceError], Reply],
    ) -> web.StreamResponse:
        """Do with a request what every API does: write it down, strike it, answer and send.

        Args:
            request: the request.
            operation: what it leads to, for the journal and the faults; empty if to nothing.
            answer: finds the answer; may raise whatever the operations raise.
            render: writes an outcome as HTTP.

        """
        target = request.raw_path
        body, refusal = b"", None
        try:
            body = await wire.receive(request)
        except ServiceError as error:
            refusal = error
        entry = Entry(self._clock.now(), request.method, target, request.headers, body, operation)
        self._journal.add(entry)
        entry.strike = self._faults.strike(operation)
        strike = entry.strike or _NO_STRIKE
        fault = strike.fault
        if strike.latency:
            await asyncio.sleep(strike.latency)
        self._change(fault)
        if fault.drop == "before" or fault.refuse is not None:
            return breaking.hang_up(request, reset=fault.reset)
        signed = Signed(request.method, target, request.headers, body)
        before = self._store.last_effect
        outcome = spoiling.ordered(strike) or refusal or _outcome(answer, signed)
        if self._store.last_effect is not before:
            entry.effect = self._store.last_effect
        if fault.drop == "after":
            return breaking.hang_up(request, reset=fault.reset)
        reply = render(spoiling.bend(outcome, fault, signed))
        entry.status = reply.status
        if entry.strike is None:
            return await wire.send(request, reply)
        # Aside, because other requests should not wait for it: it may compress 100 MB.
        reply = await asyncio.to_thread(spoiling.spoil, reply, fault)
        if fault.truncate is None and fault.drip is None:
            return await wire.send(request, reply)
        return await breaking.send(request, reply, fault)

    def _change(self, fault: Fault) -> None:
        """Do what a fault does to the service as a whole."""
        if fault.clock_offset is not None:
            self._clock.set_offset(fault.clock_offset)
        if fault.keys is not None:
            self._callers.keys = fault.keys
        if fault.refuse is not None:
            self._refuse(fault.refuse)

    def admit(self, request: Signed) -> None:
        """Let a request in, whichever API it is for.

        Raises:
            ServiceError: status 401, the credentials are missing or wrong; 400, the address is no
                text that can be signed.

        """
        if not (request.target.isascii() and request.headers.get("Host", "").isascii()):
            raise problems.bad_request("The request target and Host have to be ASCII.")
        self._callers.verify(request)

    def _answer(self, request: Signed, *, match: Match) -> Answer:
        self.admit(request)
        route = match.require()
        host = request.headers.get("Host", "")
        path, _, query_string = request.target.partition("?")
        query = dict(parse_qsl(query_string, keep_blank_values=True))
        url = f"http://{host}{path}"
        version = versions.pick(query, url, legacy=self._legacy)
        body: bodies.JsonObject = {}
        if route.media_type is not None:
            media_type = request.headers.get("Content-Type", "").partition(";")[0]
            if media_type.strip().lower() != route.media_type:
                raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            body = bodies.read(request.body)
        call = Call(version, url, match.room_id, query, request.headers, body)
        return route.run(self._operations, call)

    def _render(self, outcome: Answer | ServiceError, *, legacy: bool) -> Reply:
        """Write an outcome as HTTP."""
        lines = self._stamp.headers()
        if isinstance(outcome, ServiceError):
            content: msgspec.Struct | None = Envelope(outcome.body)
            if not outcome.from_validation:
                lines |= headers.SUPPORTED_VERSIONS
                if not legacy:
                    lines["x-ms-error-code"] = outcome.body.code
        else:
            content = outcome.body
            lines |= headers.SUPPORTED_VERSIONS
        lines |= outcome.headers
        body = None if content is None else _ENCODER.encode(content)
        if body is not None:
            lines["Content-Type"] = headers.JSON
        return Reply(outcome.status, lines, body)


def _outcome(answer: Callable[[Signed], Answer], request: Signed) -> Answer | ServiceError:
    try:
        return answer(request)
    except ServiceError as error:
        return error
    except NoSuchRoomError:
        return problems.not_found()
    except RosterFullError:
        return problems.bad_request(problems.ROSTER_FULL)
    except Exception:  # noqa: BLE001 - a fault of ours, too, is told in the service's words
        _LOG.exception("The emulator failed to answer %s %s", request.method, request.target)
        return problems.of_status(HTTPStatus.INTERNAL_SERVER_ERROR)
