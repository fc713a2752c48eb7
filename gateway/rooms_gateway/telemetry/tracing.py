"""Traces by the OpenTelemetry SDK, an optional extra, exported over OTLP/gRPC.

OpenTelemetry's interceptor for grpc.aio is not used: it breaks health watches and records aborted
and cancelled calls as successes. The SDK reads its settings from the OTEL_* variables.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Tracer as SdkTracer

from rooms_gateway.telemetry.metrics.calls import SERVER_ERRORS
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.telemetry.span_export import LossReportingExporter
from rooms_gateway.telemetry.trace_context import TraceContext
from rooms_gateway.telemetry.traces import (
    NO_TRACE,
    AttemptTrace,
    CallTrace,
    PropagatedTrace,
    TracingError,
)

FLUSH_TIMEOUT = 3.0
"""Maximum time that shutdown waits for the last spans, in seconds."""

_ERRORS_FROM = 400

_ROOM = re.compile(r"(?<=^/rooms/)[^/:]+")
_USER = re.compile(r"(?<=^/identities/)[^/]+")

logger = logging.getLogger(__name__)


class Tracing:
    """Creates spans of calls and attempts, and exports them in the background."""

    def __init__(self, version: str, upstream: tuple[str, int] | None) -> None:
        """`version` is that of the gateway; `upstream` is host and port of the only resource.

        Raises TracingError.
        """
        quiet = not logger.isEnabledFor(logging.DEBUG)
        if quiet:
            # Its warnings repeat the values of headers, which may be secret.
            logging.getLogger("opentelemetry.util.re").setLevel(logging.CRITICAL + 1)
        try:
            self._exporter = LossReportingExporter(OTLPSpanExporter())
            self._provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except Exception as error:
            raise TracingError(f"--traces: OpenTelemetry rejects its settings: {error}") from error
        if quiet:
            # The SDK logs up to three lines for each batch that it cannot export.
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        self._tracer = self._provider.get_tracer("rooms-gateway", version)
        self._server = {} if upstream is None else _server(*upstream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Export the remaining spans, for at most FLUSH_TIMEOUT seconds."""
        loop = asyncio.get_running_loop()
        flushed = asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            # RuntimeError: the loop was closed after FLUSH_TIMEOUT.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(flushed.set)

        # A daemon thread, because the process would wait for one of the loop's executor.
        threading.Thread(target=flush, name="flush traces", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await flushed.wait()
        except TimeoutError:
            logger.warning("the last spans were not exported within %g s", FLUSH_TIMEOUT)
        finally:
            if not flushed.is_set():
                self._exporter.shutdown()

    def call_started(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:
        """Start the span of a call, as a child of the caller's span if there is one."""
        name = method[1:]
        span = self._tracer.start_span(
            name,
            None if context is None else set_span_in_context(NonRecordingSpan(_remote(context))),
            SpanKind.SERVER,
            {
                "rpc.system.name": "grpc",
                "rpc.method": name,
                "rooms_gateway.request_id": request_id,
            },
        )
        own = span.get_span_context()
        if span.is_recording():
            return _Call(self._tracer, span, self._server)
        return PropagatedTrace(_hex(own.trace_id, 32), _headers(own)) if own.is_valid else NO_TRACE


class _Call:
    def __init__(self, tracer: SdkTracer, span: Span, server: Mapping[str, str | int]) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)
        self._server = server
        self.trace_id = _hex(span.get_span_context().trace_id, 32)

    def attempt_started(self, method: str, target: str, resends: int) -> AttemptTrace:
        template = url_template(target)
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.template": template,
            **self._server,
        }
        if resends:
            attributes["http.request.resend_count"] = resends
        return _Attempt(
            self._tracer.start_span(
                f"{method} {template}", self._context, SpanKind.CLIENT, attributes
            )
        )

    def resource_chosen(self, name: str, host: str, port: int) -> None:
        self._span.set_attribute("rooms_gateway.resource", name)
        self._server = _server(host, port)

    def ended(self, code: str, reason: str, upstream_id: str) -> None:
        span = self._span
        span.set_attribute("rpc.response.status_code", code)
        if reason:
            span.set_attribute("rooms_gateway.reason", reason)
        if upstream_id:
            span.set_attribute("rooms_gateway.upstream_id", upstream_id)
        if code in SERVER_ERRORS:
            span.set_attribute("error.type", code)
            span.set_status(StatusCode.ERROR)
        span.end()


class _Attempt:
    def __init__(self, span: Span) -> None:
        self._span = span
        self.headers: Mapping[str, str] = _headers(span.get_span_context())

    def ended(self, outcome: int | AttemptFailure) -> None:
        span = self._span
        if isinstance(outcome, AttemptFailure):
            error = outcome.value
        else:
            span.set_attribute("http.response.status_code", outcome)
            error = str(outcome) if outcome >= _ERRORS_FROM else ""
        if error:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)
        span.end()


def _server(host: str, port: int) -> Mapping[str, str | int]:
    return {"server.address": host, "server.port": port}


def url_template(target: str) -> str:
    """Return the path of a request without its query, with `{roomId}` and `{id}` for ids."""
    path = target.partition("?")[0]
    return _USER.sub("{id}", _ROOM.sub("{roomId}", path))


def _resource(version: str) -> Resource:
    configured = Resource.create().attributes["service.name"]
    # The SDK's default without OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
    name = "rooms-gateway" if str(configured).startswith("unknown_service") else configured
    return Resource.create({"service.name": name, "service.version": version})


def _remote(context: TraceContext) -> SpanContext:
    return SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(context.flags),
        trace_state=TraceState.from_header([context.tracestate] if context.tracestate else []),
    )


def _headers(context: SpanContext) -> dict[str, str]:
    return TraceContext(
        _hex(context.trace_id, 32),
        _hex(context.span_id, 16),
        context.trace_flags,
        context.trace_state.to_header(),
    ).headers()


def _hex(number: int, digits: int) -> str:
    return f"{number:0{digits}x}"
