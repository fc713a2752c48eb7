"""What can be traced, as protocols, and what happens to a caller's trace when nothing is.

Without `--traces` the gateway is no part of a trace, but no hole in it either: the service gets the
context that the caller brought, as W3C Trace Context wants it of those who only pass it on.
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
    """One attempt of a REST request, as its trace sees it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What tells the service which trace the attempt belongs to."""
        ...

    def ended(self, outcome: int | AttemptFailure) -> None:
        """End it; the int is an HTTP status."""
        ...


class CallTrace(Protocol):
    """One gRPC call, as its trace sees it."""

    @property
    def trace_id(self) -> str:
        """The trace that the call belongs to, 32 hexadecimal digits; empty if to none."""
        ...

    def attempt_begun(self, method: str, target: str, resends: int) -> AttemptTrace:
        """Begin an attempt of a REST request that was sent `resends` times before.

        `target` is its path and query.
        """
        ...

    def ended(self, code: str, reason: str, upstream_id: str) -> None:
        """End it, with the values of the call's log line."""
        ...


class Tracer(Protocol):
    """Makes the traces of calls."""

    def call_begun(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:
        """Begin the trace of a call of `/package.Service/Method`, within the caller's if any."""
        ...


@dataclass(frozen=True, slots=True)
class PropagatedTrace:
    """A call, and all its attempts, of which nothing is kept."""

    trace_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def attempt_begun(self, method: str, target: str, resends: int) -> AttemptTrace:  # noqa: ARG002
        """Return what passes the context on."""
        return self

    def ended(self, *_: object) -> None:
        """Do nothing."""


NO_TRACE = PropagatedTrace()
"""The trace of a call that belongs to none."""


class _PropagateOnly:
    def call_begun(self, method: str, request_id: str, context: TraceContext | None) -> CallTrace:  # noqa: ARG002
        return NO_TRACE if context is None else PropagatedTrace(context.trace_id, context.headers())


PROPAGATE_ONLY: Tracer = _PropagateOnly()
"""The default: nothing is traced here, and a caller's trace goes on at the service."""
