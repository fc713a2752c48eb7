"""Traces for OpenTelemetry, sent by OTLP: the only module that knows its SDK, an optional extra.

Not by the SDK's own interceptor for grpc.aio: it breaks health watches, and takes calls that were
aborted or cancelled for successes. Settings are the OTEL_* variables, which the SDK reads itself:
see docs/how-to/observe.md.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
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

from rooms_gateway.telemetry.call_metrics import SERVER_FAULTS
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.telemetry.trace_context import TraceContext
from rooms_gateway.telemetry.traces import (
    NO_TRACE,
    AttemptTrace,
    CallTrace,
    PropagatedTrace,
    TracingError,
)

FLUSH_TIMEOUT = 3.0
"""Seconds that a stop waits for the last spans to leave."""

TELL_EVERY = 60.0
"""Seconds between two log lines on spans that nobody takes."""

_ERRORS_FROM = 400

_ROOM = re.compile(r"(?<=^/rooms/)[^/:]+")

logger = logging.getLogger(__name__)


class Tracing:
    """Makes spans of calls and attempts, and sends them in the background, until its end."""

    def __init__(self, version: str, host: str, port: int) -> None:
        """Take the gateway's version, and where the service is."""
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
        self._server: Mapping[str, str | int] = {"server.address": host, "server.port": port}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send what is left, for FLUSH_TIMEOUT at the most."""
        loop = asyncio.get_running_loop()
        flushed = asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            # The loop may have ended by then, after it has waited for long enough.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(flushed.set)

        # A daemon, not a thread of the loop's: the process must not wait for its end.
        threading.Thread(target=flush, name="flush traces", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await flushed.wait()
        except TimeoutError:
            logger.warning("the last spans were not sent: no OTLP receiver took them in time")
        finally:
            if not flushed.is_set():
                self._exporter.shutdown()

    def call_begun(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:
        """Begin the span of a call: a child of the caller's if there is one."""
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
        here = span.get_span_context()
        if span.is_recording():
            return _Call(self._tracer, span, self._server)
        return (
            PropagatedTrace(_hex(here.trace_id, 32), _headers(here)) if here.is_valid else NO_TRACE
        )


class _Call:
    def __init__(self, tracer: SdkTracer, span: Span, server: Mapping[str, str | int]) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)
        self._server = server
        self.trace_id = _hex(span.get_span_context().trace_id, 32)

    def attempt_begun(self, method: str, target: str, resends: int) -> AttemptTrace:
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

    def ended(self, code: str, reason: str, upstream_id: str) -> None:
        span = self._span
        span.set_attribute("rpc.response.status_code", code)
        if reason:
            span.set_attribute("rooms_gateway.reason", reason)
        if upstream_id:
            span.set_attribute("rooms_gateway.upstream_id", upstream_id)
        if code in SERVER_FAULTS:
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


class LossReportingExporter(SpanExporter):
    """Says when spans get lost, in one log line a minute."""

    def __init__(self, exporter: SpanExporter, clock: Callable[[], float] = time.monotonic) -> None:
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        self._tell_at = -float("inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send `spans`, once and for all."""
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - the library's thread would end with it
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if self._clock() >= self._tell_at:
                self._tell_at = self._clock() + TELL_EVERY
                logger.warning(
                    "no OTLP receiver takes the traces; %d spans are lost so far (--log-level "
                    "debug says why)",
                    self._lost,
                )
        return result

    def shutdown(self) -> None:
        """End what is being sent, and send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing: nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)


def url_template(target: str) -> str:
    """Return the path of a request without what names a room in it, and without the query.

    That is few enough forms to group by.
    """
    return _ROOM.sub("{roomId}", target.partition("?")[0])


def _resource(version: str) -> Resource:
    given = Resource.create().attributes["service.name"]
    # The SDK's word for "nobody said": OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first.
    name = "rooms-gateway" if str(given).startswith("unknown_service") else given
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
