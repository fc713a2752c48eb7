"""Processes every call: id, deadline, authorization, admission, validation, errors to statuses."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from msgspec import UNSET

from rooms_gateway.call import Call, Context
from rooms_gateway.server.admission import host_of
from rooms_gateway.server.auth.token_transport import check_transport, returns_tokens
from rooms_gateway.server.calls.audit import audit_of
from rooms_gateway.server.calls.items import ItemReader, malformed
from rooms_gateway.server.calls.messages import send_messages, send_status
from rooms_gateway.server.calls.metadata import is_bulk, read_metadata
from rooms_gateway.server.calls.outcomes import DEFECT_REASON
from rooms_gateway.server.calls.resources import Method, Resource
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.calls.status import RpcStatus, to_status
from rooms_gateway.server.calls.validation import compile_rules, validate
from rooms_gateway.services.convert.dry_run import describe
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.observers import MethodKind
from rooms_gateway.upstream.rooms_api import DryRunError

# grpc's own types know only synchronous handlers.
Handler = Any

_MAKERS = {
    MethodKind.UNARY: grpc.unary_unary_rpc_method_handler,
    MethodKind.SERVER_STREAM: grpc.unary_stream_rpc_method_handler,
    MethodKind.BIDI_STREAM: grpc.stream_stream_rpc_method_handler,
}

logger = logging.getLogger(__name__)


class MethodHandler:
    """Processes the calls of one method, from the first byte to the log line.

    It is no interceptor, because grpc.aio would look the handler up again for each call. Health and
    reflection are served without it.

    If a handler raised an exception, the caller would receive its class and text; after a stray
    CancelledError, the caller would wait for ever. Here both become a status.
    """

    def __init__(
        self,
        calls: Calls,
        method: MethodDescriptor,
        served: Method | None,
        api_version: str,
    ) -> None:
        """Process calls by `served`; None: each call has a named resource that serves it."""
        service = method.containing_service.full_name
        idempotency = method.GetOptions().idempotency_level
        admission = calls.admission
        self._kind = kind = _kind_of(method)
        self._streams = kind is not MethodKind.UNARY
        self._reads_items = kind is MethodKind.BIDI_STREAM
        self._receive: Callable[[bytes, Context, Call], Any] = (
            self._receive_items if self._reads_items else self._receive_request
        )
        self._response_type = GetMessageClass(method.output_type)
        self._name = f"/{service}/{method.name}"
        self._request_type = GetMessageClass(method.input_type)
        compile_rules(self._request_type)
        self._audit = audit_of(method, calls.audit)
        self._served = served
        # Looked up once per type: it is slow on a message.
        self._has_dry_run = "dry_run" in method.input_type.fields_by_name
        self._returns_tokens = returns_tokens(method.output_type)
        self._api_version = api_version
        self._idempotent = idempotency != MethodOptions.IDEMPOTENCY_UNKNOWN
        # A list takes as long as its client reads; each of its REST requests has a timeout.
        self._default_timeout = math.inf if self._streams else calls.default_timeout
        self._stall_timeout = admission.write_stall_timeout
        self._calls = calls
        self._observer = calls.observer.of_method(service, method.name, kind)

    def handler(self) -> Handler:
        """Return the handler for grpc."""
        make = _MAKERS[self._kind]
        # No deserializer: `_receive` parses, so that malformed bytes also get a typed status, a
        # metric and a log line.
        return make(self._handle, response_serializer=self._response_type.SerializeToString)

    async def _handle(self, data: bytes, context: Context) -> Message | None:
        """Process a call. Only this catches, aborts and logs."""
        calls, request, response, peer = self._calls, None, None, context.peer()
        served, resource = self._served, None
        started, left = time.monotonic(), context.time_remaining()
        request_id, trace, priority, named = read_metadata(context.invocation_metadata() or ())
        call = Call(
            request_id,
            started + (self._default_timeout if left is None else left),
            self._idempotent,
            peer=peer,
            trace=calls.tracer.call_started(self._name, request_id, trace),
        )
        self._observer.started()
        calls.running += 1
        code, reason = "OK", ""
        try:
            if served is None or named or calls.authorizer is not None:
                resource, served = await self._admit(call, context, named)
            if self._returns_tokens:
                check_transport(context, peer)
            caller = call.queue_key = call.caller or host_of(peer)
            call.bulk = (priority is not None and is_bulk(priority)) or self._reads_items
            if not served.limiter.try_acquire(caller):
                await served.limiter.acquire(caller, call.remaining())
            try:
                request = self._receive(data, context, call)
                if self._streams:
                    pages = served.behavior(request, call)
                    sent = self._observer.message_sent
                    await send_messages(pages, context, self._stall_timeout, sent)
                    return None
                try:
                    response = await served.behavior(request, call)
                except DryRunError as stopped:
                    response = self._dry_run(request, stopped, call)
            finally:
                if response is None:
                    served.limiter.release(caller)
                else:
                    served.unread.hold_slot(caller, context)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_task_cancelled():
                code = self._cancelled(call, request)
                raise
            status = self._status_of(error, call, request, served)
            code, reason = status.code.name, status.reason
            await self._audit.ended(call, _message(request), None, code, reason)
            # What ends the call refers to this frame in a cycle, and would keep the request.
            del data, request
            await send_status(error, status, context)
        else:
            return response
        finally:
            calls.end(resource)
            self._end(call, code, reason, time.monotonic() - started, peer)

    async def _admit(
        self, call: Call, context: Context, named: tuple[str | bytes, ...]
    ) -> tuple[Resource | None, Method]:
        """Authorize a call that has `named` in its metadata, and choose its resource.

        Returns no resource if there is only one, without a name.
        """
        calls, caller = self._calls, None
        if calls.authorizer is not None:
            caller = await calls.authorizer.authorize(call, context, self._name)
        bound = caller is not None and caller.resources is not None
        if self._served is not None and not named and not bound:
            return None, self._served
        resource, served = calls.resources.begin(call, named, caller)
        return resource, served.methods[self._name]

    def _receive_request(self, data: bytes, _: Context, call: Call) -> Message:
        try:
            request = self._request_type.FromString(data)
        except DecodeError:
            raise malformed(self._request_type) from None
        call.dry_run = self._has_dry_run and request.HasField("dry_run")
        call.roster = validate(request)
        logs.log_request(call.request_id, request)
        return request

    def _receive_items(self, _: object, context: Context, call: Call) -> ItemReader:
        shutdown, timeout = self._calls.shutdown, self._stall_timeout
        return ItemReader(context, call, self._request_type, timeout, shutdown)

    def _dry_run(self, request: Message, stopped: DryRunError, call: Call) -> Message:
        dry_run = request.dry_run  # type: ignore[attr-defined]
        shown = describe(stopped.request, dry_run, call.applied_settings)
        return self._response_type(rest_request=shown)

    def _cancelled(self, call: Call, received: object) -> str:
        code = "DEADLINE_EXCEEDED" if call.remaining() <= 0 else "CANCELLED"
        self._audit.cancelled(call, _message(received), code)
        return code

    def _status_of(
        self, error: BaseException, call: Call, received: object, served: Method | None
    ) -> RpcStatus:
        version = self._api_version if served is None else served.api_version
        status = to_status(error, call, _message(received) or self._request_type(), version)
        if status.reason == DEFECT_REASON:
            logger.error(
                "method=%s request_id=%s failed", self._name, call.request_id, exc_info=error
            )
        return status

    def _end(self, call: Call, code: str, reason: str, seconds: float, peer: str) -> None:
        self._observer.ended(code, reason, seconds)
        call.trace.ended(code, reason, call.upstream_request_id)
        if logs.calls.isEnabledFor(logging.INFO):
            logs.log_call(
                logs.FinishedCall(
                    call.request_id,
                    self._name,
                    code,
                    reason,
                    call.attempts,
                    call.upstream_request_id,
                    round(seconds * 1000, 3),
                    logs.peer_kind(peer),
                    call.caller,
                    call.trace.trace_id,
                    call.resource or UNSET,
                )
            )


def _message(received: object) -> Message | None:
    """Return the request of a call; None without one, and for a bidirectional stream."""
    return received if isinstance(received, Message) else None


def _kind_of(method: MethodDescriptor) -> MethodKind:
    if method.client_streaming:
        return MethodKind.BIDI_STREAM
    return MethodKind.SERVER_STREAM if method.server_streaming else MethodKind.UNARY


def _is_task_cancelled() -> bool:
    """Return whether the client, the deadline or a shutdown has cancelled the current call.

    Another CancelledError comes from awaiting something that was cancelled, and needs a status.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
