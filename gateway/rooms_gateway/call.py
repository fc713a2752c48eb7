"""What the gateway knows of one gRPC call while it runs."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from rooms_gateway.telemetry.traces import NO_TRACE, CallTrace

if TYPE_CHECKING:
    import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Call(Struct):
    """One gRPC call. Handed down explicitly from the servicer to the transport."""

    request_id: str
    """Ours, or the caller's `x-request-id`."""
    deadline: float
    """When to give up, in seconds of `time.monotonic`."""
    repeatable: bool
    """Whether the proto declares the RPC safe to repeat (`idempotency_level`)."""
    caller: str = ""
    """The policy's name for who calls; empty while nobody is known."""
    dry_run: bool = False
    """Whether nothing may be sent: see DryRunError."""
    attempts: int = 0
    """How many REST requests the call has cost so far."""
    service_request_id: str = ""
    """The service's own id (`MS-CV`) of its last answer."""
    trace: CallTrace = NO_TRACE
    """Where its REST attempts are noted, and what they tell the service of the caller's trace."""

    def remaining(self) -> float:
        """Return the seconds left until the deadline; 0 or less when it has passed."""
        return self.deadline - time.monotonic()


def new_id() -> str:
    """Make a random UUID (RFC 9562, version 4), in a third of the time that `uuid` takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that the running handler serves; set by `handling`, read by the servicers."""
