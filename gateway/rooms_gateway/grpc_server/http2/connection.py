"""One connection of a client: its transport, its turns, its end (RFC 9113)."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Protocol

from rooms_gateway.grpc_server.http2 import frames
from rooms_gateway.grpc_server.http2.frames import (
    DEFAULT_WINDOW,
    MAX_STREAM_ID,
    ErrorCode,
    Http2Error,
)
from rooms_gateway.grpc_server.http2.hpack import Field
from rooms_gateway.grpc_server.http2.inbound import RECEIVE_WINDOW, Inbound
from rooms_gateway.grpc_server.http2.liveness import Liveness
from rooms_gateway.grpc_server.http2.output import Output
from rooms_gateway.grpc_server.http2.peers import Peer, peer_of
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.http2.streams import Streams
from rooms_gateway.grpc_server.limits import Limits, RunningClock

_DRAIN_PING = b"goaway 1"
_KEEPALIVE_PING = b"are you?"


class Host(Protocol):
    """The server that a connection belongs to."""

    limits: Limits
    clock: RunningClock
    receive_buffer: memoryview
    """Shared by all connections."""

    def opened(self, connection: Connection) -> bool:
        """Record a connection; return False while the server stops."""

    def lost(self, connection: Connection) -> None:
        """Forget a connection."""

    def start_call(
        self, connection: Connection, stream: Stream, fields: list[Field], size: int, *, end: bool
    ) -> None:
        """Start the call of a stream; `size` is that of the header list. Raises MalformedError."""

    def wait_for_turn(self, connection: Connection) -> None:
        """Call `take_turn` after the connections that wait already."""


class Connection(asyncio.BufferedProtocol):
    """Carries the streams of a client."""

    __slots__ = (
        "_closing_since",
        "_draining",
        "_expires",
        "_host",
        "_inbound",
        "_liveness",
        "_refuses",
        "_rest",
        "_since",
        "_transport",
        "_waiting",
        "handlers",
        "output",
        "peer",
        "streams",
    )

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._transport: Any = None
        self._since = host.clock.now
        self.peer: Peer
        self.output = Output(loop, host.clock, self._on_end)
        self.streams = Streams(loop, self.output)
        self._liveness = Liveness(host.limits, self._since)
        self._inbound = Inbound(self, loop, host.clock, self.output, self.streams, self._liveness)
        self.handlers = 0
        """Handlers that run, also those of streams that were reset."""
        self._expires: float | None = None
        """The end of its age, in seconds of the running clock."""
        self._rest = b""
        self._waiting = False
        self._draining = False
        self._refuses = False
        self._closing_since: float | None = None

    # --- of the transport -------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Send the server's settings."""
        self._transport = transport
        self.output.attach(transport)
        self.peer = peer_of(transport)
        if not self._host.opened(self):
            transport.abort()
            return
        if not self.peer.speaks_http2:
            self.fail(ErrorCode.PROTOCOL_ERROR, "the client must offer h2 by ALPN")
            return
        limits = self._host.limits
        if limits.max_connection_age:
            age = limits.max_connection_age * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
            self._expires = self._since + age
        self.output.write(
            frames.settings(
                {
                    frames.MAX_CONCURRENT_STREAMS: limits.max_streams,
                    frames.MAX_HEADER_LIST_SIZE: limits.max_header_list,
                }
            )
            + frames.window_update(0, RECEIVE_WINDOW - DEFAULT_WINDOW)
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer into which the transport reads."""
        return self._host.receive_buffer

    def buffer_updated(self, size: int) -> None:
        """Process what was read."""
        data = bytes(self._host.receive_buffer[:size])
        self._liveness.received = self._host.clock.now
        self._rest = self._rest + data if self._rest else data
        if not self._waiting:
            self._process()

    def take_turn(self) -> None:
        """Process the rest of the last turn."""
        self._waiting = False
        if not self.closing:
            self._transport.resume_reading()
            self._process()

    def _process(self) -> None:
        """Process the frames of one turn."""
        if self.closing:
            return
        # One write for all that the frames lead to.
        held = self.output.hold()
        try:
            position, self._waiting = self._inbound.process(self._rest)
            self._rest = self._rest[position:]
        except Http2Error as error:
            self.fail(error.code, str(error))
        else:
            if self._waiting:
                self._transport.pause_reading()
                self._host.wait_for_turn(self)
            self._close_if_drained()
        finally:
            if held:
                self.output.flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel all calls."""
        self._closing_since = self._host.clock.now
        self.output.discard()
        self._host.lost(self)
        self.streams.cancel_all()

    def pause_writing(self) -> None:
        """Stop sending data: the client does not read."""
        self.output.pause()

    def resume_writing(self) -> None:
        """Send data again."""
        self.output.resume()

    # --- of the frames ----------------------------------------------------------------------------

    def admits(self, number: int) -> bool:
        """Return whether the client may open a stream, and refuse it if there are too many."""
        if self._refuses:
            # Above the number in GOAWAY: the client sends the call again elsewhere.
            return False
        limit = self._host.limits.max_streams
        if len(self.streams) < limit and self.handlers < limit:
            return True
        self.streams.reset(number, ErrorCode.REFUSED_STREAM)
        return False

    def start_call(self, stream: Stream, fields: list[Field], size: int, *, end: bool) -> None:
        """Start the call of a stream. Raises MalformedError."""
        self._host.start_call(self, stream, fields, size, end=end)

    def on_ping_response(self, payload: bytes) -> None:
        """Refuse further streams if the client has received the first GOAWAY."""
        if payload == _DRAIN_PING and self._draining and not self._refuses:
            self._refuses = True
            self.output.write(frames.goaway(self.streams.last, ErrorCode.NO_ERROR))

    def _on_end(self, stream: Stream) -> None:
        """Forget a stream after its last frame."""
        if stream.receiving:
            # The client stops sending a request that is not read (RFC 9113, 8.1).
            stream.receiver = None
            self.streams.reset(stream.number, ErrorCode.NO_ERROR)
        else:
            self.streams.forget(stream)
        self._close_if_drained()

    # --- its end ----------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closing_since is not None

    def drain(self, reason: str) -> None:
        """Let calls in flight end, and have the client open no others (RFC 9113, 6.8)."""
        if self._draining or self.closing:
            return
        self._draining = True
        if not self._inbound.greeted:
            self.fail(ErrorCode.NO_ERROR, reason)
            return
        # Calls that are under way are accepted until the client has received the first GOAWAY.
        self.output.write(
            frames.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, reason)
            + frames.frame(frames.PING, 0, 0, _DRAIN_PING)
        )

    def _close_if_drained(self) -> None:
        if self._refuses and not self.streams:
            self._close()

    def cut_off(self, reason: str) -> None:
        """End all calls by a status, and close the connection."""
        self.streams.abandon_all(reason)
        self.fail(ErrorCode.NO_ERROR, reason)

    def fail(self, code: ErrorCode, reason: str) -> None:
        """Close the connection with an error, and cancel its calls."""
        if not self.closing:
            self.output.write(frames.goaway(self.streams.last, code, reason))
            self._close()
            self.streams.cancel_all()

    def _close(self) -> None:
        """Close the connection when what was written is sent."""
        if not self.closing:
            self.output.flush()
            self._closing_since = self._host.clock.now
            self._transport.close()

    def check(self, now: float) -> None:
        """Enforce the limits of time; `now` is in seconds of the running clock."""
        limits = self._host.limits
        waits_since = self._closing_since if self._inbound.greeted else self._since
        block_since = self._inbound.block_since
        if waits_since is not None:
            if now - waits_since > limits.handshake_timeout:
                self._transport.abort()
        elif self._liveness.is_dead(now):
            self._transport.abort()
        elif block_since is not None and now - block_since > limits.message_timeout:
            self.fail(ErrorCode.ENHANCE_YOUR_CALM, "a header block was not completed")
        elif self._expires is not None and now > self._expires + limits.age_grace:
            self.cut_off("max_age")
        else:
            if self._expires is not None and now > self._expires:
                self.drain("max_age")
            if self._liveness.must_ping(now):
                self.output.write(frames.frame(frames.PING, 0, 0, _KEEPALIVE_PING))
            self.streams.check(now, limits.stall_timeout)
