"""Requests that are not gRPC."""

from __future__ import annotations

from rooms_gateway.grpc_server import headers
from rooms_gateway.grpc_server.http2.connection import Connection
from rooms_gateway.grpc_server.http2.frames import ErrorCode
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.limits import Budget, Limits

_WEIGHT = 1024
"""Bytes of memory that a request takes."""

_TEXT = b"This port serves gRPC: POST with content-type application/grpc.\n"


class HttpRequest:
    """A request that is rejected by an HTTP status, after its end: the rules of HTTP/2 come first.

    A body that needs more than the initial window is not read to its end.
    """

    __slots__ = (
        "_budget",
        "_connection",
        "_length",
        "_limits",
        "_responded",
        "_since",
        "_status",
        "_stream",
    )

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        error: headers.NotGrpcError,
        limits: Limits,
        budget: Budget,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._status = error.status
        self._length = error.length
        self._limits = limits
        self._since = stream.since
        self._responded = False
        self._budget = budget
        budget.hold(self, _WEIGHT)

    def receive(self, data: bytes, *, end: bool) -> None:
        """Drop bytes of the body; respond at its end."""
        if self._length is not None:
            self._length -= len(data)
            if self._length < 0 or (end and self._length):
                self._connection.streams.reset(self._stream.number, ErrorCode.PROTOCOL_ERROR)
                return
        if end or self._stream.receive_window <= 0:
            self._respond()

    def sent(self) -> None:
        """Release what it holds: the stream ends with the response."""
        self._budget.hold(self, 0)

    def cancel(self) -> None:
        """Release what it holds."""
        self._budget.hold(self, 0)

    def evict(self) -> None:
        """End the stream: others need the memory that it takes."""
        self._connection.streams.reset(self._stream.number, ErrorCode.CANCEL)

    def abandon(self, reason: str) -> None:
        """Do nothing: the connection ends."""

    def expire(self, now: float) -> None:
        """Respond before the end of a body that does not come."""
        if now - self._since > self._limits.message_timeout:
            self._respond()

    def _respond(self) -> None:
        if not self._responded:
            self._responded = True
            block = headers.http_response(self._status, len(_TEXT))
            self._connection.output.respond_in_http(self._stream, block, _TEXT)
