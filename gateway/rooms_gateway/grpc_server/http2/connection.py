"""One connection of a client: its transport, its turns, its end (RFC 9113)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from time import monotonic
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
from rooms_gateway.grpc_server.limits import Budget, Limits, RunningClock
from rooms_gateway.grpc_server.turns import SLICE, Turns

logger = logging.getLogger(__name__)

_DRAIN_PING = b"goaway 1"
_KEEPALIVE_PING = b"are you?"

_AT_ONCE = 64
"""Frames of a connection that are processed when they are read, if no other connection waits."""

_TURN = 4
"""Frames otherwise: those of a call."""

_ENOUGH = 4096
"""Bytes that are read of a connection while it waits; with less, it may come first."""


class Host(Protocol):
    """The server that a connection belongs to."""

    limits: Limits
    clock: RunningClock
    budget: Budget
    turns: Turns
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


class Connection(asyncio.BufferedProtocol):
    """Carries the streams of a client."""

    __slots__ = (
        "_closing_since",
        "_draining",
        "_expires",
        "_holds",
        "_host",
        "_inbound",
        "_liveness",
        "_on_lost",
        "_partial_since",
        "_reads",
        "_refuses",
        "_rest",
        "_since",
        "_transport",
        "handlers",
        "output",
        "peer",
        "scheduled",
        "streams",
    )

    def __init__(
        self,
        host: Host,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[[Connection], None],
    ) -> None:
        """Call `on_lost` when the transport is closed."""
        self._host = host
        self._on_lost = on_lost
        self._transport: Any = None
        self._since = host.clock.now
        self.peer: Peer
        self.output = Output(loop, host.clock, self._on_end, self._hold)
        self.streams = Streams(loop, self.output)
        self._liveness = Liveness(host.limits, self._since)
        self._inbound = Inbound(self, loop, host.clock, self.output, self.streams, self._liveness)
        self.handlers = 0
        """Handlers that run, also those of streams that were reset."""
        self._expires: float | None = None
        """The end of its age, in seconds of the running clock."""
        self._rest = b""
        """What was read and is not processed."""
        self._partial_since: float | None = None
        """When the frame at its start began, if that is not complete."""
        self._holds = False
        """Whether the budget counts bytes of it."""
        self._reads = True
        self.scheduled = False
        """Whether it is in a queue of `Turns`."""
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
        if not self.scheduled and not self.output.paused:
            if not self._host.turns.paused:
                self._process(_AT_ONCE)
                return
            self._wait()
        if self._reads and len(self._rest) >= _ENOUGH:
            self._reads = False
            self._transport.pause_reading()

    def take_turn(self) -> bool:
        """Process some of what was read; return False if there is nothing to process."""
        return bool(self._rest) and not self.output.paused and self._process(_TURN)

    def _process(self, limit: int) -> bool:
        """Process up to `limit` frames; return whether there were any."""
        if self._closing_since is not None:
            return False
        turns, started = self._host.turns, monotonic()
        # One write for all that the frames lead to.
        held = self.output.hold()
        position, more = self._carry_out(limit)
        self._rest = self._rest[position:]
        if more:
            self._wait()
        elif not (self._reads or self.closing):
            self._reads = True
            self._transport.resume_reading()
        if self._rest or self._holds or self._inbound.blocks.part is not None:
            self._note_partial(progress=position > 0, partial=bool(self._rest) and not more)
        if self._refuses:
            self._close_if_drained()
        if held:
            self.output.flush()
        turns.spent += monotonic() - started
        if turns.spent > SLICE and not turns.paused:
            turns.pause()
        return position > 0

    def _carry_out(self, limit: int) -> tuple[int, bool]:
        """Process up to `limit` frames; an error ends the connection.

        Returns the position after them, and whether more may be complete.
        """
        try:
            return self._inbound.process(self._rest, limit)
        except Http2Error as error:
            self.fail(error.code, str(error))
        except Exception:
            logger.exception("a connection failed")
            self.fail(ErrorCode.INTERNAL_ERROR, "the server failed")
        return len(self._rest), False

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel all calls."""
        self._closing_since = self._host.clock.now
        self.output.close()
        self._host.budget.hold(self, 0)
        self._host.lost(self)
        self._on_lost(self)
        self.streams.cancel_all()

    def pause_writing(self) -> None:
        """Stop sending data and processing frames: the client does not read what they lead to."""
        self.output.pause()
        self._hold()

    def resume_writing(self) -> None:
        """Send data again."""
        self._liveness.received = self._host.clock.now
        self.output.resume()
        self._hold()
        if self._rest and not self.output.paused:
            self._wait()

    def _wait(self) -> None:
        self._host.turns.wait(self, small=len(self._rest) < _ENOUGH)

    # --- the bytes that it holds ------------------------------------------------------------------

    def _note_partial(self, *, progress: bool, partial: bool) -> None:
        """Take note of a frame that is not complete."""
        if partial:
            if progress or self._partial_since is None:
                self._partial_since = self._host.clock.now
        else:
            self._partial_since = None
        self._hold()

    def _hold(self) -> None:
        """Count the bytes that wait for the client."""
        size = 0
        if self._closing_since is None:
            if self._partial_since is not None:
                size = len(self._rest)
            size += len(self._inbound.blocks.part or b"")
            if self.output.paused:
                size += self._transport.get_write_buffer_size()
        self._holds = size > 0
        self._host.budget.hold(self, size)

    def evict(self) -> None:
        """Close the connection: others need the memory that it takes."""
        self.give_way(
            ErrorCode.ENHANCE_YOUR_CALM, "the server has no memory for unfinished or unread frames"
        )

    # --- of the frames ----------------------------------------------------------------------------

    def admits(self, number: int) -> bool:
        """Return whether the client may open a stream, and refuse it if there are too many."""
        if self._refuses or self._closing_since is not None:
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
            # The client stops sending bytes that no handler reads (RFC 9113, 8.1).
            stream.receiver = None
            self.streams.reset(stream.number, ErrorCode.NO_ERROR)
        else:
            self.streams.forget(stream)
        self._close_if_drained()

    # --- its end ----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it has no call."""
        return self._transport is not None and not self.streams

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

    def give_way(self, code: ErrorCode, reason: str) -> None:
        """Close the connection at once, in favor of others."""
        self.fail(code, reason)
        self._transport.abort()

    def _close(self) -> None:
        """Close the connection when what was written is sent."""
        if not self.closing:
            self.output.close()
            self._closing_since = self._host.clock.now
            self._transport.close()

    def check(self, now: float) -> None:
        """Enforce the limits of time; `now` is in seconds of the running clock."""
        limits = self._host.limits
        waits_since = self._closing_since if self._inbound.greeted else self._since
        blocks = self._inbound.blocks
        if waits_since is not None:
            if now - waits_since > limits.handshake_timeout:
                self._transport.abort()
        elif self._liveness.is_dead(now):
            self._transport.abort()
        elif self._partial_since is not None and now - self._partial_since > limits.message_timeout:
            self.fail(ErrorCode.ENHANCE_YOUR_CALM, "a frame was not completed")
        elif blocks.part is not None and now - blocks.since > limits.message_timeout:
            self.fail(ErrorCode.ENHANCE_YOUR_CALM, "a header block was not completed")
        elif self._expires is not None and now > self._expires + limits.age_grace:
            self.cut_off("max_age")
        else:
            if self._expires is not None and now > self._expires:
                self.drain("max_age")
            if self._liveness.must_ping(now):
                self.output.write(frames.frame(frames.PING, 0, 0, _KEEPALIVE_PING))
            self.streams.check(now, limits.stall_timeout)
