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

from gateway.emulator import bodies, headers, problems, routes, versions, wire
from gateway.emulator.authentication import Signed
from gateway.emulator.callers import Callers
from gateway.emulator.clock import Clock
from gateway.emulator.faults import Fault, Faults
from gateway.emulator.headers import Stamp
from gateway.emulator.journal import Entry, Journal
from gateway.emulator.legacy import LegacyOperations
from gateway.emulator.models import Collection
from gateway.emulator.operations import Answer, Call
from gateway.emulator.problems import Envelope, ServiceError
from gateway.emulator.roster import RosterFullError
from gateway.emulator.routes import Match
from gateway.emulator.store import NoSuchRoomError
from gateway.emulator.wire import Reply

_LOG: Final = logging.getLogger(__name__)
_ENCODER: Final = msgspec.json.Encoder()
_NO_FAULT: Final = Fault()


class Service:
    """The Rooms REST service, as seen over HTTP."""

    def __init__(  # noqa: PLR0913 - the parts that the composition root puts together
        self,
        *,
        callers: Callers,
        operations: LegacyOperations,
        faults: Faults,
        journal: Journal,
        clock: Clock,
        stamp: Stamp,
        legacy: bool = False,
    ) -> None:
        self._callers = callers
        self._operations = operations
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._stamp = stamp
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
        render: Callable[[Answer | ServiceError, Fault], Reply],
    ) -> web.StreamResponse:
        """Do with a request what every API does: write it down, strike it, answer and send.

        Args:
            request: the request.
            operation: what it leads to, for the journal and the faults; empty if to nothing.
            answer: finds the answer; may raise whatever the operations raise.
            render: writes an outcome as HTTP, with what the fault wants changed.

        """
        target = request.raw_path
        body, refusal = b"", None
        try:
            body = await wire.receive(request)
        except ServiceError as error:
            refusal = error
        entry = Entry(self._clock.now(), request.method, target, request.headers, body, operation)
        self._journal.add(entry)
        fault = self._faults.strike(operation) or _NO_FAULT
        entry.faulty = fault is not _NO_FAULT
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.drop == "before":
            return wire.hang_up(request)
        if fault.status is not None:
            outcome = _ordered(fault.status)
        elif refusal is not None:
            outcome = refusal
        else:
            outcome = _outcome(answer, Signed(request.method, target, request.headers, body))
        reply = render(outcome, fault)
        if fault.drop == "after":
            return wire.hang_up(request)
        entry.status = reply.status
        return await wire.send(request, reply, truncate=fault.truncate)

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

    def _render(self, outcome: Answer | ServiceError, fault: Fault, *, legacy: bool) -> Reply:
        """Write an outcome as HTTP, with what the fault wants changed."""
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
            if fault.next_link is not None and isinstance(content, Collection):
                content = msgspec.structs.replace(content, next_link=fault.next_link)
        lines |= outcome.headers
        body = None if content is None else _ENCODER.encode(content)
        if fault.payload is not None:
            body = fault.payload
        if body is not None:
            lines["Content-Type"] = headers.JSON
        return Reply(outcome.status, headers.merge(lines, fault.headers), body)


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


def _ordered(status: int) -> Answer | ServiceError:
    """Make the outcome that a fault asks for by its status alone."""
    if status >= HTTPStatus.BAD_REQUEST:
        return problems.of_status(status)
    return Answer(status)
