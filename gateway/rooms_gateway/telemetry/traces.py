"""Protocols of traces, and a tracer that propagates the caller's trace context only.

It is used without `--traces`: the gateway adds no spans, but the upstream still receives the
context of the caller, as W3C Trace Context requires of intermediaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.telemetry.trace_context import TraceContext


class TracingError(Exception):
    """Traces cannot be exported with these OTEL_* variables."""


class AttemptTrace(Protocol):
    """Trace of one attempt of a REST request."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that propagate the trace to the upstream."""
        ...

    def ended(self, outcome: int | AttemptFailure) -> None:
        """End the trace; an int is an HTTP status."""
        ...


class CallTrace(Protocol):
    """Trace of one gRPC call."""

    @property
    def trace_id(self) -> str:
        """Trace id of the call, 32 hexadecimal digits; empty without a trace."""
        ...

    def attempt_started(self, method: str, target: str, resends: int) -> AttemptTrace:
        """Start the trace of an attempt.

        `target` is the path and query of the request, `resends` the number of earlier attempts.
        """
        ...

    def resource_chosen(self, name: str, host: str, port: int) -> None:
        """Record the named resource of the call; host and port are those of its endpoint."""
        ...

    def ended(self, code: str, reason: str, upstream_id: str) -> None:
        """End the trace, with the values of the call's log line."""
        ...


class Tracer(Protocol):
    """Creates traces of calls."""

    def call_started(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:
        """Start the trace of a call of `/package.Service/Method`, within `context` if any."""
        ...


@dataclass(frozen=True, slots=True)
class PropagatedTrace:
    """Trace of a call and of all its attempts that records nothing."""

    trace_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def attempt_started(self, method: str, target: str, resends: int) -> AttemptTrace:
        """Return this trace; its headers propagate the context."""
        return self

    def resource_chosen(self, *_: object) -> None:
        """Do nothing."""

    def ended(self, *_: object) -> None:
        """Do nothing."""


NO_TRACE = PropagatedTrace()
"""Trace of a call without a trace context."""


class _PropagateOnly:
    def call_started(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:
        return NO_TRACE if context is None else PropagatedTrace(context.trace_id, context.headers())


PROPAGATE_ONLY: Tracer = _PropagateOnly()
"""Default tracer: adds no spans and propagates the trace context."""
