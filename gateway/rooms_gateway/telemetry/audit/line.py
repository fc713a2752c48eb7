"""The audit line: its fields, and its encoding."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

_encode = msgspec.json.Encoder().encode


class AuditLine(msgspec.Struct, frozen=True, gc=False):
    """The line of one call, or of one item of a bulk stream: all its fields, in their order.

    All values are generated, validated or hashed by the gateway. It never contains an identifier of
    a participant, a label or a token.
    """

    time: str
    """End of the call, UTC."""
    method: str
    """`/package.Service/Method`, as on the wire."""
    item: int
    """Number of the item within its stream, from 1; 0: the line of a call."""
    caller: str
    """Caller name from the policy; empty if not authenticated."""
    proof: str
    """How the caller was authenticated, as `Call.proof` has it."""
    peer: str
    """Host of the client, as grpc names it: `ipv4:10.0.0.7`; `unix` for a Unix socket."""
    resource: str
    """Name of the Communication Services resource; its host if it has no name."""
    room_id: str
    """Of the request, or of the room that was created; empty if there is none."""
    dry_run: bool
    code: str
    reason: str
    """Reason of ErrorInfo; empty if the call succeeded or the client cancelled it."""
    participants: int
    """Participants in the request."""
    removals: int
    """Participants that the request, or the response of a sync, removes."""
    guests: int
    """Guests in the request."""
    users_created: int
    """Users that were created for the call, as far as its response has them."""
    tokens_issued: int
    """Access tokens in the response."""
    identifier_hashes: list[str]
    """Keyed hashes of the identifiers that the call names, sorted; empty without a key."""
    removed_identifier_hashes: list[str]
    """Those of `removals`."""
    attempts: int
    """REST requests, including retries."""
    request_id: str
    upstream_id: str
    """The upstream's id (`MS-CV`) of its last response; may be empty."""
    trace_id: str

    def encode(self) -> bytes:
        """Return the line as JSON, with its line feed."""
        return _encode(self) + b"\n"


def timestamp(now: float) -> str:
    """Return `now`, in seconds since the epoch, as a line has it."""
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}.{int(now % 1 * 1000):03}Z"
