"""What happens around every call: its id and deadline, admission, validation, errors to status."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gateway.admission import Admission, Places, caller_of
from gateway.call import Call, Context, current_call, new_id
from gateway.callers.gate import Gate
from gateway.convert.dry_run import describe
from gateway.errors import ReaderTooSlow
from gateway.rest import NotSent
from gateway.status import BUG, to_status
from gateway.telemetry import logs
from gateway.telemetry.observers import NOBODY, CallObserver, MethodObserver
from gateway.telemetry.trace_context import read_context
from gateway.telemetry.traces import PASSING_ON, Tracer
from gateway.validation import Unreadable, validate

# grpc's own types know only synchronous handlers.
Handler = Any

REQUEST_ID_METADATA = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

Response = TypeVar("Response")

_STATUS_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Method:
    """What is the same for all calls of a method."""

    name: str
    """As on the wire: `/package.Service/Method`."""
    repeatable: bool
    default_timeout: float
    """Seconds for a call that brings no deadline."""
    observer: MethodObserver
    places: Places
    """Where its calls need one."""


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # not at run time
    """Wraps the handlers of our services; health and reflection pass untouched.

    An exception that left a handler would reach the caller with its class and text, and a stray
    CancelledError would leave the caller waiting: here both become a status.
    """

    def __init__(  # noqa: PLR0913 - the parts of a call
        self,
        services: list[ServiceDescriptor],
        *,
        api_version: str,
        default_timeout: float,
        admission: Admission,
        observer: CallObserver = NOBODY,
        gate: Gate | None = None,
        tracer: Tracer = PASSING_ON,
    ) -> None:
        """Wrap the methods of `services`.

        `default_timeout`, in seconds, is for unary calls that bring no deadline. Without a `gate`
        everybody may call everything.
        """
        self._observer = observer
        self._gate = gate
        self._tracer = tracer
        # All watched from the start: a counter that appears with its first call hides that call
        # from whoever looks at its growth.
        self._methods = {
            f"/{service.full_name}/{method.name}": (
                method,
                observer.of_method(service.full_name, method.name, streams=method.server_streaming),
            )
            for service in services
            for method in service.methods
        }
        self._wrapped: dict[str, Handler] = {}
        self._api_version = api_version
        self._default_timeout = default_timeout
        self._admission = admission
        self.running = 0
        """Calls of our services in flight, those that wait for a place included."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no call of our services is running."""
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the wrapped handler of a method; made once, at its first call."""
        name = handler_call_details.method
        wrapped = self._wrapped.get(name)
        if wrapped is None:
            wrapped = await continuation(handler_call_details)
            method = self._methods.get(name)
            if method is not None:
                wrapped = self._wrapped[name] = self._wrap(name, *method, wrapped)
            elif wrapped is None:
                self._observer.unknown_method()
        return wrapped

    def _wrap(
        self, name: str, descriptor: MethodDescriptor, observer: MethodObserver, handler: Handler
    ) -> Handler:
        idempotency = descriptor.GetOptions().idempotency_level
        streams = descriptor.server_streaming
        method = _Method(
            name,
            repeatable=idempotency != MethodOptions.IDEMPOTENCY_UNKNOWN,
            # A list may take as long as its reader does; each of its requests has its own limit.
            default_timeout=math.inf if streams else self._default_timeout,
            observer=observer,
            places=self._admission.streams if streams else self._admission.calls,
        )

        make_response = GetMessageClass(descriptor.output_type)

        # Parsed here: for what is no message grpc would say UNKNOWN, and log a trace.
        parse = handler.request_deserializer
        unreadable = Unreadable(descriptor.input_type.full_name)

        async def unary(serialized: bytes, context: Context) -> Message:
            try:
                request = parse(serialized)
            except DecodeError:
                request = unreadable

            async def serve() -> Message:
                try:
                    response: Message = await handler.unary_unary(request, context)
                except NotSent as stopped:
                    shown = getattr(request, "show_people", False)
                    return make_response(dry_run=describe(stopped.request, show_people=shown))
                return response

            response = await self._around(method, request, context, serve)
            observer.message_sent()
            return response

        async def stream(serialized: bytes, context: Context) -> None:
            try:
                request = parse(serialized)
            except DecodeError:
                request = unreadable

            async def serve() -> None:
                pages: AsyncGenerator[Message, None] = handler.unary_stream(request, context)
                # Written here, not handed to grpc.aio as a generator: that would be closed only
                # when it is collected, and what it reads ahead would go on until then.
                async with aclosing(pages):
                    async for page in pages:
                        await self._write(context, page)
                        observer.message_sent()

            await self._around(method, request, context, serve)

        make, behavior = (
            (grpc.unary_stream_rpc_method_handler, stream)
            if streams
            else (grpc.unary_unary_rpc_method_handler, unary)
        )
        return make(
            behavior,
            response_serializer=handler.response_serializer,
        )

    async def _around(
        self,
        method: _Method,
        request: Message,
        context: Context,
        serve: Callable[[], Awaitable[Response]],
    ) -> Response:
        """Run `serve` as one call: the one place that catches, aborts and logs."""
        started = time.monotonic()
        call = _begin(method, request, context, started)
        call.trace = self._tracer.call_begun(
            method.name, call.request_id, read_context(context.invocation_metadata() or ())
        )
        current_call.set(call)
        method.observer.started()
        code, reason = grpc.StatusCode.OK, ""
        peer = context.peer()
        self.running += 1
        self._idle.clear()
        try:
            if self._gate is not None:
                await self._gate.admit(call, context, method.name)
            return await self._admitted(method, request, call, caller_of(call.caller, peer), serve)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _task_is_cancelled():
                expired = call.remaining() <= 0
                code = grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED
                raise
            code, reason, status, pushback = to_status(error, call, request, self._api_version)
            if reason == BUG:
                logger.exception("method=%s request_id=%s failed", method.name, call.request_id)
            metadata: tuple[tuple[str, str | bytes], ...] = (
                (_STATUS_DETAILS, status.SerializeToString()),
            )
            if pushback is not None:
                metadata += ((_PUSHBACK, str(pushback)),)
            # Not abort_with_status: observers around us would see no code with that.
            abort = context.abort(code, status.message, trailing_metadata=metadata)
            if isinstance(error, ReaderTooSlow):
                await _leave(abort)
            await abort
        finally:
            self.running -= 1
            if not self.running:
                self._idle.set()
            seconds = time.monotonic() - started
            method.observer.ended(code.name, reason, seconds)
            call.trace.ended(code.name, reason, call.service_request_id)
            if logs.calls.isEnabledFor(logging.INFO):
                logs.log_call(
                    logs.FinishedCall(
                        request_id=call.request_id,
                        method=method.name,
                        code=code.name,
                        reason=reason,
                        attempts=call.attempts,
                        upstream_id=call.service_request_id,
                        duration_ms=seconds * 1000,
                        peer=logs.peer_kind(peer),
                        caller=call.caller,
                        trace_id=call.trace.trace_id,
                    )
                )

    @staticmethod
    async def _admitted(
        method: _Method,
        request: Message,
        call: Call,
        caller: str,
        serve: Callable[[], Awaitable[Response]],
    ) -> Response:
        """Run `serve` once there is a place for it."""
        places = method.places
        if not places.take(caller):
            await places.wait(caller, call.remaining())
        try:
            validate(request)
            logs.log_request(call.request_id, request)
            return await serve()
        finally:
            places.leave(caller)

    async def _write(self, context: Context, message: Message) -> None:
        """Send a message of a stream. Raises ReaderTooSlow if nobody takes it."""
        patience = self._admission.write_stall_timeout
        try:
            async with asyncio.timeout(patience):
                await context.write(message)
        except TimeoutError:
            raise ReaderTooSlow(f"the caller has taken nothing for {patience:g} s") from None


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


def _begin(method: _Method, request: Message, context: Context, now: float) -> Call:
    left = context.time_remaining()
    return Call(
        request_id=_request_id(context),
        deadline=now + (method.default_timeout if left is None else left),
        repeatable=method.repeatable,
        dry_run=getattr(request, "validate_only", False),
    )


def _request_id(context: Context) -> str:
    """Return the caller's id if it is fit for logs and headers, else a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_METADATA and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return new_id()


def _task_is_cancelled() -> bool:
    """Tell the caller's cancellation, deadline or our stop from a CancelledError of other origin.

    The latter comes from awaiting something that was cancelled; nobody would answer the caller.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
