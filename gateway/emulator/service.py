"""One request, from its first line to the answer, in the order in which the service checks it."""

import asyncio
import logging
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from gateway.emulator import bodies, headers, problems, routes, versions, wire
from gateway.emulator.authentication import AccessKey, Signed
from gateway.emulator.clock import Clock
from gateway.emulator.faults import Fault, Faults
from gateway.emulator.headers import Stamp
from gateway.emulator.journal import Entry, Journal
from gateway.emulator.models import Collection
from gateway.emulator.operations import Answer, Call, Operations
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
        access_key: AccessKey,
        operations: Operations,
        faults: Faults,
        journal: Journal,
        clock: Clock,
        stamp: Stamp,
    ) -> None:
        self._access_key = access_key
        self._operations = operations
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self._stamp = stamp

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, as well as the fault that strikes it lets us."""
        target = request.raw_path
        match = routes.find(request.method, target.partition("?")[0])
        operation = match.route.operation if match.route else ""
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
            outcome = self._outcome(Signed(request.method, target, request.headers, body), match)
        reply = self._render(outcome, fault)
        if fault.drop == "after":
            return wire.hang_up(request)
        entry.status = reply.status
        return await wire.send(request, reply, truncate=fault.truncate)

    def _outcome(self, request: Signed, match: Match) -> Answer | ServiceError:
        try:
            return self._answer(request, match)
        except ServiceError as error:
            return error
        except NoSuchRoomError:
            return problems.not_found()
        except RosterFullError:
            return problems.bad_request(problems.ROSTER_FULL)
        except Exception:  # noqa: BLE001 - a fault of ours, too, is told in the service's words
            _LOG.exception("The emulator failed to answer %s %s", request.method, request.target)
            return problems.of_status(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _answer(self, request: Signed, match: Match) -> Answer:
        host = request.headers.get("Host", "")
        if not (request.target.isascii() and host.isascii()):
            raise problems.bad_request("The request target and Host have to be ASCII.")
        self._access_key.verify(request)
        route = match.require()
        path, _, query_string = request.target.partition("?")
        query = dict(parse_qsl(query_string, keep_blank_values=True))
        url = f"http://{host}{path}"
        version = versions.pick(query, url)
        body: bodies.JsonObject = {}
        if route.media_type is not None:
            media_type = request.headers.get("Content-Type", "").partition(";")[0]
            if media_type.strip().lower() != route.media_type:
                raise problems.of_status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            body = bodies.read(request.body)
        call = Call(version, url, match.room_id, query, request.headers, body)
        return route.run(self._operations, call)

    def _render(self, outcome: Answer | ServiceError, fault: Fault) -> Reply:
        """Write an outcome as HTTP, with what the fault wants changed."""
        lines = self._stamp.headers()
        if isinstance(outcome, ServiceError):
            content: msgspec.Struct | None = Envelope(outcome.body)
            if not outcome.from_validation:
                lines |= headers.SUPPORTED_VERSIONS
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


def _ordered(status: int) -> Answer | ServiceError:
    """Make the outcome that a fault asks for by its status alone."""
    if status >= HTTPStatus.BAD_REQUEST:
        return problems.of_status(status)
    return Answer(status)
