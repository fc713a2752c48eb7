"""Processes every call: id, deadline, authorization, admission, validation, errors to statuses."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable, Collection
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from msgspec import UNSET

from rooms_gateway.call import Call, Context, new_id
from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.server.admission import Admission, host_of
from rooms_gateway.server.auth.authorizer import Authorizer
from rooms_gateway.server.auth.token_transport import check_transport, returns_tokens
from rooms_gateway.server.calls.audit import Audit, audit_of
from rooms_gateway.server.calls.items import ItemReader, malformed
from rooms_gateway.server.calls.messages import UnreadResponses, send_messages, send_status
from rooms_gateway.server.calls.resources import METADATA, Method, Resource, ResourceTable
from rooms_gateway.server.calls.status import DEFECT_REASON, RpcStatus, to_status
from rooms_gateway.server.calls.validation import compile_rules, validate
from rooms_gateway.services.convert.dry_run import describe
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CallObserver, MethodKind
from rooms_gateway.telemetry.trace_context import TRACEPARENT, TraceContext, read_context
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer
from rooms_gateway.upstream.rooms_api import DryRunError

# grpc's own types know only synchronous handlers.
Handler = Any

_REQUEST_ID = "x-request-id"
_PRIORITY = "rooms-priority"
_PRIORITIES: dict[str | bytes, bool] = {"interactive": False, "bulk": True}
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

_MAKERS = {
    MethodKind.UNARY: grpc.unary_unary_rpc_method_handler,
    MethodKind.SERVER_STREAM: grpc.unary_stream_rpc_method_handler,
    MethodKind.BIDI_STREAM: grpc.stream_stream_rpc_method_handler,
}

logger = logging.getLogger(__name__)


class HandlerFactory:
    """Adds services to a server, with the same processing around each of their methods.

    It is no interceptor, because grpc.aio would look the handler up again for each call. Health and
    reflection are added without it.

    If a handler raised an exception, the caller would receive its class and text; after a stray
    CancelledError, the caller would wait for ever. Here both become a status.
    """

    def __init__(
        self,
        *,
        api_version: str,
        default_timeout: float,
        admission: Admission,
        observer: CallObserver = NOOP_OBSERVER,
        authorizer: Authorizer | None = None,
        audit: Audit | None = None,
        tracer: Tracer = PROPAGATE_ONLY,
    ) -> None:
        """Create handlers that share these parts.

        `default_timeout`, in seconds, applies to unary calls without a deadline. Without an
        `authorizer` all calls are allowed, and without an `audit` none is audited.
        """
        self.api_version = api_version
        self.default_timeout = default_timeout
        self.admission = admission
        self.observer = observer
        self.authorizer = authorizer
        self.audit = audit
        self.tracer = tracer
        self.unread = UnreadResponses(admission.calls, admission.write_stall_timeout)
        self.resources = ResourceTable()
        self.shutdown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when bidirectional streams must end after the items that they have read."""
        self.running = 0
        """Number of calls in flight, queued ones included."""
        self._idle = asyncio.Event()

    def add(
        self,
        server: grpc.aio.Server,
        service: ServiceDescriptor,
        servicer: object,
        *,
        api_version: str | None = None,
    ) -> None:
        """Serve the methods of `service` on `server` by those of `servicer`.

        A class stands for its instances, of which each of `resources` has one. `api_version` is
        that of the REST API behind them; None: the version of the Rooms REST API.
        """
        version = api_version or self.api_version
        # Create all counters at start: a series that first appears at 1 hides its first increment
        # from `rate()`.
        handlers = {
            method.name: MethodHandler(
                self,
                method,
                None
                if isinstance(servicer, type)
                else Method.of(
                    method,
                    audit_of(method, self.audit).around(getattr(servicer, method.name)),
                    version,
                    self.admission,
                    self.unread,
                ),
                version,
            ).handler()
            for method in service.methods
        }
        generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))

    def add_unknown(self, server: grpc.aio.Server) -> None:
        """Count calls of unknown methods. To be added last: grpc tries handlers in order."""
        server.add_generic_rpc_handlers((_UnknownMethods(self.observer),))

    @property
    def admissions(self) -> list[Admission]:
        """The slots of all resources."""
        return [self.admission, *(each.admission for each in self.resources.open)]

    @property
    def unread_responses(self) -> int:
        """Number of unary responses that clients have not read."""
        return self.unread.count + sum(each.unread.count for each in self.resources.open)

    def end(self, resource: Resource | None) -> None:
        """Record the end of a call, on its resource too if that has a name."""
        if resource is not None:
            resource.end()
        self.running -= 1
        if not self.running:
            self._idle.set()

    def end_streams(self) -> None:
        """Let bidirectional streams end after the items that they have read."""
        if not self.shutdown.done():
            self.shutdown.set_result(None)

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        while self.running:
            self._idle.clear()
            await self._idle.wait()


class _UnknownMethods(grpc.GenericRpcHandler):
    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        self._observer.unknown_method()


class MethodHandler:
    """Processes the calls of one method, from the first byte to the log line."""

    def __init__(
        self,
        shared: HandlerFactory,
        method: MethodDescriptor,
        served: Method | None,
        api_version: str,
    ) -> None:
        """Process calls by `served`; None: each call has a named resource that serves it."""
        service = method.containing_service.full_name
        idempotency = method.GetOptions().idempotency_level
        admission = shared.admission
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
        self._audit = audit_of(method, shared.audit)
        self._served = served
        # Looked up once per type: it is slow on a message.
        self._has_dry_run = "dry_run" in method.input_type.fields_by_name
        self._returns_tokens = returns_tokens(method.output_type)
        self._api_version = api_version
        self._idempotent = idempotency != MethodOptions.IDEMPOTENCY_UNKNOWN
        # A list takes as long as its client reads; each of its REST requests has a timeout.
        self._default_timeout = math.inf if self._streams else shared.default_timeout
        self._stall_timeout = admission.write_stall_timeout
        self._shared = shared
        self._observer = shared.observer.of_method(service, method.name, kind)

    def handler(self) -> Handler:
        """Return the handler for grpc."""
        make = _MAKERS[self._kind]
        # No deserializer: `_receive` parses, so that malformed bytes also get a typed status, a
        # metric and a log line.
        return make(self._handle, response_serializer=self._response_type.SerializeToString)

    async def _handle(self, data: bytes, context: Context) -> Message | None:
        """Process a call. Only this catches, aborts and logs."""
        shared, request, response, peer = self._shared, None, None, context.peer()
        served, resource = self._served, None
        started, left = time.monotonic(), context.time_remaining()
        request_id, trace, priority, named = _read_metadata(context.invocation_metadata() or ())
        call = Call(
            request_id,
            started + (self._default_timeout if left is None else left),
            self._idempotent,
            peer=peer,
            trace=shared.tracer.call_started(self._name, request_id, trace),
        )
        self._observer.started()
        shared.running += 1
        code, reason = "OK", ""
        try:
            if served is None or named or shared.authorizer is not None:
                resource, served = await self._admit(call, context, named)
            if self._returns_tokens:
                check_transport(context, peer)
            caller = call.queue_key = call.caller or host_of(peer)
            call.bulk = (priority is not None and _is_bulk(priority)) or self._reads_items
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
            shared.end(resource)
            self._end(call, code, reason, time.monotonic() - started, peer)

    async def _admit(
        self, call: Call, context: Context, named: tuple[str | bytes, ...]
    ) -> tuple[Resource | None, Method]:
        """Authorize a call that has `named` in its metadata, and choose its resource.

        Returns no resource if there is only one, without a name.
        """
        shared, caller = self._shared, None
        if shared.authorizer is not None:
            caller = await shared.authorizer.authorize(call, context, self._name)
        bound = caller is not None and caller.resources is not None
        if self._served is not None and not named and not bound:
            return None, self._served
        resource, served = shared.resources.begin(call, named, caller)
        return resource, served.methods[self._name]

    def _receive_request(self, data: bytes, _: Context, call: Call) -> Message:
        try:
            request = self._request_type.FromString(data)
        except DecodeError:
            raise malformed(self._request_type) from None
        call.dry_run = self._has_dry_run and request.HasField("dry_run")
        validate(request)
        logs.log_request(call.request_id, request)
        return request

    def _receive_items(self, _: object, context: Context, call: Call) -> ItemReader:
        shutdown, timeout = self._shared.shutdown, self._stall_timeout
        return ItemReader(context, call, self._request_type, timeout, shutdown)

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

    def _dry_run(self, request: Message, stopped: DryRunError, call: Call) -> Message:
        dry_run = request.dry_run  # type: ignore[attr-defined]
        shown = describe(stopped.request, dry_run, call.applied_settings)
        return self._response_type(rest_request=shown)

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


def _read_metadata(
    metadata: Collection[tuple[str, str | bytes]],
) -> tuple[str, TraceContext | None, str | bytes | None, tuple[str | bytes, ...]]:
    """Return request id, trace, priority and the names of resources.

    The id is new if it is unsafe for logs and headers.
    """
    request_id, traced, priority = "", False, None
    resources: tuple[str | bytes, ...] = ()
    for key, value in metadata:
        if key == TRACEPARENT:
            traced = True
        elif key == _PRIORITY:
            priority = value
        elif key == METADATA:
            resources += (value,)
        elif (
            key == _REQUEST_ID
            and not request_id
            and isinstance(value, str)
            and _VALID_REQUEST_ID.fullmatch(value)
        ):
            request_id = value
    return request_id or new_id(), read_context(metadata) if traced else None, priority, resources


def _is_bulk(priority: str | bytes) -> bool:
    if priority not in _PRIORITIES:
        text = f"metadata {_PRIORITY} must be interactive or bulk"
        raise InvalidRequestError(Violation("", text))
    return _PRIORITIES[priority]


def _is_task_cancelled() -> bool:
    """Return whether the client, the deadline or a shutdown has cancelled the current call.

    Another CancelledError comes from awaiting something that was cancelled, and needs a status.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
