"""What the gateway knows of one gRPC call while it runs."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(slots=True)
class Call:
    """One gRPC call. Handed down explicitly from the servicer to the transport."""

    request_id: str
    """Ours, or the caller's `x-request-id`."""
    deadline: float
    """When to give up, in seconds of `time.monotonic`."""
    repeatable: bool
    """Whether the proto declares the RPC safe to repeat (`idempotency_level`)."""
    dry_run: bool = False
    """Whether nothing may be sent: see NotSent."""
    attempts: int = 0
    """How many REST requests the call has cost so far."""
    service_request_id: str = ""
    """The service's own id (`MS-CV`) of its last answer."""
    caller: str = ""
    """The name of the caller that was authenticated; empty when it is not known."""

    def remaining(self) -> float:
        """Return the seconds left until the deadline; 0 or less when it has passed."""
        return self.deadline - time.monotonic()


current_call: ContextVar[Call] = ContextVar("current_call")
"""The call that the running handler serves; set by the interceptor, read by the servicers."""
