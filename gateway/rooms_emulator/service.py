"""Request pipeline shared by the REST services.

It keeps the journal, injects faults, authenticates, applies quotas, and sends responses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from rooms_emulator import problems
from rooms_emulator.auth.authenticator import Authenticator
from rooms_emulator.clock import Clock
from rooms_emulator.faults import connection_faults, response_faults
from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.rules import Faults, InjectedFault
from rooms_emulator.http import wire
from rooms_emulator.http.messages import EncodedResponse, Outcome, RawRequest, Response
from rooms_emulator.http.origins import Origins
from rooms_emulator.journal import Journal, JournalEntry
from rooms_emulator.problems import ServiceError
from rooms_emulator.quotas.limits import Quotas
from rooms_emulator.rooms.store import Store

JOURNAL_ENTRY = web.RequestKey("JOURNAL_ENTRY", JournalEntry)
"""Key of the journal's entry in the request that it describes."""

logger = logging.getLogger(__name__)

_NO_FAULT = InjectedFault(0, Fault(), 0.0, None)


class RequestPipeline:
    """Processes the requests of the Rooms and the Identity API.

    `refuse` refuses connections for a number of seconds. `save` waits until all changes are in the
    state file.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        store: Store,
        faults: Faults,
        quotas: Quotas,
        journal: Journal,
        clock: Clock,
        origins: Origins,
        refuse: Callable[[float], None],
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self._authenticator = authenticator
        self._store = store
        self._faults = faults
        self._quotas = quotas
        self._journal = journal
        self._clock = clock
        self._origins = origins
        self._refuse = refuse
        self._save = save

    async def process(
        self,
        request: web.BaseRequest,
        operation: str,
        respond: Callable[[RawRequest], Response],
        encode: Callable[[Outcome], EncodedResponse],
        *,
        authenticate: bool = True,
    ) -> web.StreamResponse:
        """Record a request, inject a fault if one applies, and send the response.

        `operation` is the name for the journal, the faults and the quotas, empty if the request
        addresses no operation. `respond` returns the response to a request with valid credentials
        or raises ServiceError, and `encode` encodes either. Without `authenticate`, credentials
        are not checked.
        """
        body, origin, rejection = b"", "", None
        try:
            body = await wire.receive(request)
            origin = self._origins.of(request.scheme, wire.port_of(request), request.headers)
        except ServiceError as error:
            rejection = error
        raw = RawRequest(request.method, request.raw_path, request.headers, body, origin)
        entry = JournalEntry(self._clock.now(), *raw[:4], operation)
        self._journal.add(entry)
        request[JOURNAL_ENTRY] = entry
        entry.fault = self._faults.select(operation)
        injected = entry.fault or _NO_FAULT
        fault = injected.fault
        if injected.latency:
            await asyncio.sleep(injected.latency)
        self._change_emulator(fault)
        if fault.drop == "before" or fault.refuse is not None:
            return connection_faults.abort(request, reset=fault.reset)
        before = self._store.last_effect
        outcome = (
            response_faults.forced_outcome(injected)
            or rejection
            or self._outcome(entry, respond, raw, authenticate=authenticate)
        )
        if self._store.last_effect is not before:
            entry.effect = self._store.last_effect
        await self._save()
        if fault.drop == "after":
            return connection_faults.abort(request, reset=fault.reset)
        encoded = encode(response_faults.change_page(outcome, fault, raw))
        entry.status = encoded.status
        if entry.fault is not None:
            # In a thread, because compressing 100 MB would block the event loop.
            encoded = await asyncio.to_thread(response_faults.change_encoded, encoded, fault)
        entry.record_response(encoded.headers, encoded.body)
        if fault.truncate is None and fault.drip is None:
            return await wire.send(request, encoded)
        return await connection_faults.send(request, encoded, fault)

    def _outcome(
        self,
        entry: JournalEntry,
        respond: Callable[[RawRequest], Response],
        request: RawRequest,
        *,
        authenticate: bool,
    ) -> Outcome:
        try:
            if authenticate:
                self._authenticate(request)
            self._throttle(entry)
            return respond(request)
        except ServiceError as error:
            return error
        except Exception:
            # A defect of the emulator becomes a response in the service's format, too.
            logger.exception(
                "Internal error in the response to %s %s", request.method, request.target
            )
            return problems.of_status(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _authenticate(self, request: RawRequest) -> None:
        """Check the credentials of a request.

        Raises ServiceError with status 401 if they are missing or wrong, and 400 if the target is
        not ASCII, which cannot be signed.
        """
        if not request.target.isascii():
            raise problems.bad_request("The request target must be ASCII.")
        self._authenticator.verify(request)

    def _throttle(self, entry: JournalEntry) -> None:
        """Count a request in the quotas. Raises ServiceError with status 429 if one rejects it."""
        rejection = self._quotas.take(entry.operation)
        if rejection is not None:
            entry.quota = rejection.quota
            raise problems.of_status(HTTPStatus.TOO_MANY_REQUESTS, headers=rejection.headers)

    def _change_emulator(self, fault: Fault) -> None:
        """Apply the parts of a fault that change the emulator for later requests too."""
        if fault.clock_offset is not None:
            self._clock.set_offset(fault.clock_offset)
        if fault.keys is not None:
            self._authenticator.keys = fault.keys
        if fault.refuse is not None:
            self._refuse(fault.refuse)
