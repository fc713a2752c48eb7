"""Audits calls: writes a line for each call that changes something or issues an access token."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from acs.rooms.v1.error_reason_pb2 import ErrorReason
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from rooms_gateway.call import Call
from rooms_gateway.errors import AuditLogUnavailableError, DeadlineExceededError
from rooms_gateway.server.admission import host_of
from rooms_gateway.server.calls.changes import (
    changes_of,
    identifiers_in,
    removed_identifiers_in,
)
from rooms_gateway.server.calls.outcomes import code_and_reason
from rooms_gateway.telemetry.audit.hash_key import HashKey
from rooms_gateway.telemetry.audit.line import AuditLine, timestamp
from rooms_gateway.telemetry.audit.writer import AuditWriter
from rooms_gateway.telemetry.observers import AuditObserver
from rooms_gateway.upstream.rooms_api import DryRunError

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Behavior = Callable[[Any, Call], Any]
"""A servicer's method: a coroutine function, or an async generator function for a stream."""

logger = logging.getLogger(__name__)

_INVALID = ErrorReason.Name(ErrorReason.ERROR_REASON_REQUEST_INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The audit log of a gateway."""

    writer: AuditWriter
    resource: str
    """Host of the Communication Services resource; empty if there are several, with names."""
    hash_identifier: Callable[[str], str] | None = None
    """None: lines have no identifiers, not even as hashes."""
    required: bool = False
    """Whether no change is permitted without a line."""

    def check(self, call: Call) -> None:
        """Raise AuditLogUnavailableError if `call` must not change anything now."""
        if self.required and not call.dry_run and not self.writer.available:
            raise AuditLogUnavailableError(
                "the gateway cannot write its audit log, and permits no change without one: retry "
                "with backoff, or report it to the gateway's operator"
            )


@asynccontextmanager
async def open_audit(
    path: Path,
    key_file: Path | None,
    *,
    required: bool,
    resource: str,
    observer: AuditObserver,
) -> AsyncIterator[Audit]:
    """Open an audit log; without `key_file`, its lines have no identifiers.

    Raises AuditLogError, and ValueError for an invalid key.
    """
    async with AsyncExitStack() as parts:
        key = None
        if key_file is None:
            logger.warning(
                "--audit-log: without --audit-key-file, lines do not show which participants a "
                "call concerns, not even as hashes"
            )
        else:
            key = await parts.enter_async_context(HashKey(key_file, observer=observer))
        yield Audit(
            writer=await parts.enter_async_context(AuditWriter(path, observer=observer)),
            resource=resource,
            hash_identifier=None if key is None else key.hash,
            required=required,
        )


class MethodAudit:
    """Audits nothing: for methods without side effects, and without an audit log."""

    def around(self, behavior: Behavior) -> Behavior:
        """Return `behavior` with a check before it, and a line after its success."""
        return behavior

    async def ended(
        self,
        call: Call,
        request: Message | None = None,
        response: Message | None = None,
        code: str = "OK",
        reason: str = "",
    ) -> bool:
        """Write the line of an ended call, unless it has one.

        If the log is required, wait for the writer. Returns False if the line is neither written
        nor lost at the deadline of the call.
        """
        return True

    def cancelled(self, call: Call, request: Message | None, code: str) -> None:
        """Write the line of a cancelled call, unless it has one. Never waits."""


def audit_of(method: MethodDescriptor, audit: Audit | None) -> MethodAudit:
    """Return the audit of the calls of `method`."""
    if audit is None or method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return MethodAudit()
    return LinePerCall(audit, method)


class LinePerCall(MethodAudit):
    """Audits each call of one method with a line."""

    def __init__(self, audit: Audit, method: MethodDescriptor) -> None:
        self._audit = audit
        self._name = f"/{method.containing_service.full_name}/{method.name}"
        self._streams = method.server_streaming

    def around(self, behavior: Behavior) -> Behavior:
        """Return `behavior` with a check before it, and a line after its success."""

        async def call_once(request: Message, call: Call) -> Message:
            self._audit.check(call)
            try:
                response: Message = await behavior(request, call)
            except DryRunError:
                await self.ended(call, request)
                raise
            if not await self.ended(call, request, response):
                raise _unwritten()
            return response

        async def stream(requests: object, call: Call) -> AsyncGenerator[Message, None]:
            self._audit.check(call)
            call.audit = _Items(self, self._audit, call)
            async with aclosing(behavior(requests, call)) as responses:
                async for response in responses:
                    yield response
            if not await self.ended(call):
                raise _unwritten()

        return stream if self._streams else call_once

    async def ended(
        self,
        call: Call,
        request: Message | None = None,
        response: Message | None = None,
        code: str = "OK",
        reason: str = "",
    ) -> bool:
        """Write the line of an ended call, unless it has one."""
        if call.audited:
            return True
        call.audited = True
        return await self.write(call, self.line(call, request, response, code, reason))

    def cancelled(self, call: Call, request: Message | None, code: str) -> None:
        """Write the line of a cancelled call, unless it has one. Never waits."""
        if not call.audited:
            call.audited = True
            self._audit.writer.add(self.line(call, request, None, code, ""))

    async def write(self, call: Call, line: bytes) -> bool:
        """Write a line of `call`; see `ended`."""
        writer = self._audit.writer
        # A call that has changed nothing does not wait for a log that is unavailable.
        if not self._audit.required or not (call.attempts or writer.available):
            writer.add(line)
            return True
        written = asyncio.get_running_loop().create_future()
        writer.add(line, written)
        left = call.remaining()
        try:
            async with asyncio.timeout(None if math.isinf(left) else left):
                await written
        except TimeoutError:
            return False
        return True

    def line(
        self,
        call: Call,
        request: Message | None,
        response: Message | None,
        code: str,
        reason: str,
        *,
        item: int = 0,
        stream: Call | None = None,
    ) -> bytes:
        """Return the line of a call, or of the item of a stream, that ended now."""
        whole = stream or call
        hash_identifier = self._audit.hash_identifier
        named: Collection[str] = ()
        removed: Collection[str] = ()
        # An invalid request concerns no participant: it may name any, and as many as fit.
        if hash_identifier is not None and request is not None and reason != _INVALID:
            named = identifiers_in(request, response)
            removed = removed_identifiers_in(request, response)
        changes = changes_of(request, response)
        return AuditLine(
            timestamp(time.time()),
            self._name,
            item,
            whole.caller,
            whole.proof,
            host_of(whole.peer),
            whole.resource or self._audit.resource,
            changes.room_id,
            call.dry_run,
            code,
            reason,
            changes.participants,
            changes.removals,
            changes.guests,
            changes.users_created,
            changes.tokens_issued,
            sorted(map(hash_identifier, named)) if hash_identifier else [],
            sorted(map(hash_identifier, removed)) if hash_identifier else [],
            call.attempts,
            whole.request_id,
            call.upstream_request_id,
            whole.trace.trace_id,
        ).encode()


class _Items:
    """Audits the items of one stream."""

    def __init__(self, method: LinePerCall, audit: Audit, stream: Call) -> None:
        self._method = method
        self._audit = audit
        self._stream = stream
        self._count = 0

    async def item(
        self,
        behavior: Callable[[Request, Call], Awaitable[Response]],
        request: Request,
        call: Call,
    ) -> Response:
        """Await `behavior(request, call)` for one item, and write its line."""
        self._count += 1
        line = partial(self._method.line, call, request, item=self._count, stream=self._stream)
        try:
            self._audit.check(call)
            response = await behavior(request, call)
        except DryRunError:
            await self._method.write(call, line(None, "OK", ""))
            raise
        except asyncio.CancelledError:
            self._audit.writer.add(line(None, "CANCELLED", ""))
            raise
        except Exception as error:
            await self._method.write(call, line(None, *code_and_reason(error, request)))
            raise
        if not await self._method.write(call, line(response, "OK", "")):
            raise _unwritten()
        return response


def _unwritten() -> DeadlineExceededError:
    return DeadlineExceededError(
        "the change was made, but its line could not be written to the audit log in time"
    )
