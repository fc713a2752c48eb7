"""The state of one gRPC call while it runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from rooms_gateway.telemetry.audit.items import NO_AUDIT, ItemAudit
from rooms_gateway.telemetry.traces import NO_TRACE, CallTrace

if TYPE_CHECKING:
    import grpc

    from rooms_gateway.upstream.models import Roster

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Call(Struct):
    """One gRPC call. Passed as an argument from `server.calls.handler` down to the transport."""

    request_id: str
    """The caller's `x-request-id`, or a generated id."""
    deadline: float
    """Deadline, in seconds of `time.monotonic()`."""
    idempotent: bool
    """Whether the proto declares the RPC safe to repeat (`idempotency_level`)."""
    caller: str = ""
    """Caller name from the policy; empty if not authenticated."""
    proof: str = "none"
    """How the caller was authenticated: `certificate`, `socket`, `static_token`, or `jwt:` and the
    issuer; `none` if it was not."""
    peer: str = ""
    """The client, as grpc names it."""
    resource: str = ""
    """Name of the Communication Services resource; empty if it is the only one, without a name."""
    queue_key: str = ""
    """Key of fair scheduling: the caller, or its host if it is not authenticated."""
    bulk: bool = False
    """Whether the pacer sends interactive requests first."""
    patient: bool = False
    """Whether a throttled request waits until the deadline, not for `--max-pacing-wait` at most."""
    dry_run: bool = False
    """Whether `upstream.operation` raises DryRunError instead of sending a request."""
    roster: Roster | None = None
    """The roster that the request sends, if its validation has converted the participants."""
    applied_settings: tuple[str, ...] = ()
    """The settings that completed the REST request, as `name=value`, for a dry run."""
    attempts: int = 0
    """Number of REST requests sent for the call so far."""
    upstream_request_id: str = ""
    """Request id (`MS-CV`) of the last response from the upstream."""
    trace: CallTrace = NO_TRACE
    """Records the attempts and supplies the trace headers of their requests."""
    audited: bool = False
    """Whether the audit line of the call exists."""
    audit: ItemAudit = NO_AUDIT
    """Writes the audit lines of the items of a bulk stream."""

    def remaining(self) -> float:
        """Return the seconds left until the deadline; 0 or less when it has passed."""
        return self.deadline - time.monotonic()


_DRAWN = 256
"""Number of ids that are drawn together, because each draw is a system call."""

_VARIABLE = int.from_bytes(bytes.fromhex("ffffffffffff0fff3fffffffffffffff") * _DRAWN)
_VERSION_4 = int.from_bytes(bytes.fromhex("00000000000040008000000000000000") * _DRAWN)
"""Bits of version and variant (RFC 9562, section 5.4) in all of them."""

_drawn: list[str] = []
"""Digits of ids to come. A fork draws others."""
os.register_at_fork(after_in_child=_drawn.clear)


def new_id() -> str:
    """Generate a random UUID (RFC 9562, version 4) in a quarter of the time of `uuid.uuid4`."""
    try:
        digits = _drawn.pop()
    except IndexError:
        bits = int.from_bytes(os.urandom(16 * _DRAWN)) & _VARIABLE | _VERSION_4
        text = bits.to_bytes(16 * _DRAWN).hex()
        digits, *others = (text[at : at + 32] for at in range(0, len(text), 32))
        _drawn.extend(others)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
