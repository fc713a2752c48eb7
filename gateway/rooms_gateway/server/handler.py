"""What happens around every call: its id and deadline, admission, validation, errors to status."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from rooms_gateway.aio import ReusableTimer
from rooms_gateway.call import Call, Context, new_id
from rooms_gateway.errors import InvalidRequestError, StreamStalledError, Violation
from rooms_gateway.server.admission import Admission, host_of
from rooms_gateway.server.auth.authorizer import Authorizer
from rooms_gateway.server.call_metadata import read_metadata
from rooms_gateway.server.status import DEFECT_REASON, RpcStatus, to_status
from rooms_gateway.server.validation import validate
from rooms_gateway.services.convert.dry_run import describe
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CallObserver
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer
from rooms_gateway.upstream.rooms_api import DryRunError

# grpc's own types know only synchronous handlers.
Handler = Any

_STATUS_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"

logger = logging.getLogger(__name__)


class HandlerFactory:
    """Adds our services to a server, with the same around each of their handlers.

    Not as an interceptor of grpc.aio, which would look for the handler anew at every call. Health
    and reflection are added without this.

    An exception that left a handler would reach the caller with its class and text, and a stray
    CancelledError would leave the caller waiting: here both become a status.
    """

    def __init__(  # noqa: PLR0913 - the parts of a call
        self,
        *,
        api_version: str,
        default_timeout: float,
        admission: Admission,
        observer: CallObserver = NOOP_OBSERVER,
        authorizer: Authorizer | None = None,
        tracer: Tracer = PROPAGATE_ONLY,
    ) -> None:
        """Take what the handlers of all services share.

        `default_timeout`, in seconds, is for unary calls that bring no deadline. Without an
        `authorizer` all calls are allowed.
        """
        self.api_version = api_version
        self.default_timeout = default_timeout
        self.admission = admission
        self.observer = observer
        self.authorizer = authorizer
        self.tracer = tracer
        self.running = 0
        """Calls of our services in flight, those that wait for a place included."""
        self._idle = asyncio.Event()

    def add(self, server: grpc.aio.Server, service: ServiceDescriptor, servicer: object) -> None:
        """Have `server` answer the calls of `service` by the methods of `servicer`."""
        # All made, and watched, from the start: a counter that appears with its first call hides
        # that call from whoever looks at its growth.
        handlers = {
            method.name: MethodHandler(self, method, getattr(servicer, method.name)).handler()
            for method in service.methods
        }
        generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))

    def add_unknown(self, server: grpc.aio.Server) -> None:
        """Count the calls of methods that `server` has not. To be added last: it asks in order."""
        server.add_generic_rpc_handlers((_Unknown(self.observer),))

    def end(self) -> None:
        """Take note of the end of a call."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no call of our services is running."""
        while self.running:
            self._idle.clear()
            await self._idle.wait()


class _Unknown(grpc.GenericRpcHandler):
    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:  # noqa: ARG002
        self._observer.unknown_method()


class MethodHandler:
    """All that happens to the calls of one method, from the first byte to the log line."""

    def __init__(self, shared: HandlerFactory, method: MethodDescriptor, behavior: Handler) -> None:
        service = method.containing_service.full_name
        idempotency = method.GetOptions().idempotency_level
        admission = shared.admission
        self._streams = method.server_streaming
        self._response_type = GetMessageClass(method.output_type)
        self._name = f"/{service}/{method.name}"
        self._request_type = GetMessageClass(method.input_type)
        self._behavior = behavior
        # Asked of the type once: a message takes long to say that it has no such field.
        self._has_dry_run = "validate_only" in method.input_type.fields_by_name
        self._idempotent = idempotency != MethodOptions.IDEMPOTENCY_UNKNOWN
        # A list may take as long as its reader does; each of its requests has its own limit.
        self._default_timeout = math.inf if self._streams else shared.default_timeout
        self._limiter = admission.streams if self._streams else admission.calls
        self._patience = admission.write_stall_timeout
        self._shared = shared
        self._observer = shared.observer.of_method(service, method.name, streams=self._streams)

    def handler(self) -> Handler:
        """Return what grpc calls."""
        make = (
            grpc.unary_stream_rpc_method_handler
            if self._streams
            else grpc.unary_unary_rpc_method_handler
        )
        # Without a deserializer: what is no message gets a typed status too, is counted and logged.
        return make(self._handle, response_serializer=self._response_type.SerializeToString)

    async def _handle(self, data: bytes, context: Context) -> Message | None:
        """Serve a call, whose request is `data`: the one place that catches, aborts and logs."""
        started = time.monotonic()
        shared, request, peer = self._shared, None, context.peer()
        left = context.time_remaining()
        request_id, trace = read_metadata(context.invocation_metadata() or ())
        call = Call(
            request_id or new_id(),
            started + (self._default_timeout if left is None else left),
            self._idempotent,
        )
        call.trace = shared.tracer.call_started(self._name, call.request_id, trace)
        self._observer.started()
        shared.running += 1
        code, reason = "OK", ""
        try:
            if shared.authorizer is not None:
                await shared.authorizer.authorize(call, context, self._name)
            caller = call.caller or host_of(peer)
            if not self._limiter.try_acquire(caller):
                await self._limiter.acquire(caller, call.remaining())
            try:
                request = self._read(data)
                call.dry_run = self._has_dry_run and request.validate_only  # type: ignore[attr-defined]
                validate(request)
                logs.log_request(call.request_id, request)
                if self._streams:
                    await self._send_pages(request, call, context)
                    return None
                try:
                    response: Message = await self._behavior(request, call)
                except DryRunError as stopped:
                    response = self._dry_run(request, stopped)
            finally:
                self._limiter.release(caller)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _task_is_cancelled():
                code = "DEADLINE_EXCEEDED" if call.remaining() <= 0 else "CANCELLED"
                raise
            failure = to_status(error, call, request or self._request_type(), shared.api_version)
            code, reason = failure.code.name, failure.reason
            await self._abort(error, failure, call, context)
        else:
            return response
        finally:
            shared.end()
            self._end(call, code, reason, time.monotonic() - started, peer)

    def _read(self, data: bytes) -> Message:
        try:
            return self._request_type.FromString(data)
        except DecodeError:
            # Without the library's words, which may repeat what was sent.
            name = self._request_type.DESCRIPTOR.full_name
            text = f"the request is no {name}: is the client's proto that of this gateway?"
            raise InvalidRequestError(Violation("", text)) from None

    def _dry_run(self, request: Message, stopped: DryRunError) -> Message:
        shown = getattr(request, "show_people", False)
        return self._response_type(dry_run=describe(stopped.request, show_people=shown))

    async def _send_pages(self, request: Message, call: Call, context: Context) -> None:
        """Send what the handler yields. Raises StreamStalledError if nobody takes it."""
        pages: AsyncGenerator[Message, None] = self._behavior(request, call)
        loop, limit = asyncio.get_running_loop(), asyncio.timeout(None)
        # Not a time-out for each page, which costs more than twenty times as much.
        timer = ReusableTimer(loop, lambda: limit.reschedule(loop.time()))
        try:
            # Written here, not handed to grpc.aio as a generator: that would be closed only when it
            # is collected, and what it reads ahead would go on until then.
            async with limit, aclosing(pages):
                async for page in pages:
                    timer.start(loop.time() + self._patience)
                    await context.write(page)
                    timer.stop()
                    self._observer.message_sent()
        except TimeoutError:
            if not limit.expired():
                raise
            raise StreamStalledError(
                f"the caller has taken nothing for {self._patience:g} s"
            ) from None
        finally:
            timer.close()

    async def _abort(
        self, error: BaseException, failure: RpcStatus, call: Call, context: Context
    ) -> NoReturn:
        if failure.reason == DEFECT_REASON:
            logger.error(
                "method=%s request_id=%s failed", self._name, call.request_id, exc_info=error
            )
        metadata: tuple[tuple[str, str | bytes], ...] = (
            (_STATUS_DETAILS, failure.status.SerializeToString()),
        )
        if failure.pushback is not None:
            metadata += ((_PUSHBACK, str(failure.pushback)),)
        # Not abort_with_status: observers around us would see no code with that.
        abort = context.abort(failure.code, failure.status.message, trailing_metadata=metadata)
        if isinstance(error, StreamStalledError):
            await _leave(abort)
        await abort
        raise AssertionError("grpc's abort has returned")

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
                )
            )


async def _leave(abort: Awaitable[None]) -> NoReturn:
    """Begin `abort`, and do not wait until the status is sent.

    It goes out behind the messages that nobody takes; grpc keeps both until somebody does, or the
    call or its connection ends.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await abort
    # All that grpc lets a handler end with without a word once it has given its status.
    raise asyncio.CancelledError


def _task_is_cancelled() -> bool:
    """Tell the caller's cancellation, deadline or our stop from a CancelledError of other origin.

    The latter comes from awaiting something that was cancelled; nobody would answer the caller.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
