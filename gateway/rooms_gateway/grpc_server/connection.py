"""One HTTP/2 connection of a client: frames in, frames out, flow control (RFC 9113)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rooms_gateway.grpc_server import frames
from rooms_gateway.grpc_server.frames import (
    ACK,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_LENGTH,
    MAX_PAYLOAD,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PADDED,
    ErrorCode,
)
from rooms_gateway.grpc_server.headers import MalformedError, check_trailers
from rooms_gateway.grpc_server.hpack import (
    CompressionError,
    Decoder,
    Field,
    HeaderListTooLargeError,
)
from rooms_gateway.grpc_server.limits import Limits, RunningClock
from rooms_gateway.grpc_server.peers import Peer, peer_of
from rooms_gateway.grpc_server.streams import Stream

_TURN = 64
"""Frames that a connection may have processed before others have their turn."""

_BLOCK_LIMIT = 32_768
"""Bytes of a header block, compressed."""
_BLOCK_PARTS = 16
"""Frames of a header block."""
_LIST_LIMIT = 65_536
"""Bytes of a header list that is decoded and rejected; a longer one ends the connection."""

_RECEIVE_WINDOW = 1024 * 1024
"""Of a connection: a client with 100 calls is not held up, and streams bound what is kept."""

_MAX_UNPRODUCTIVE = 1000
"""Frames in a row that carry neither a call nor data."""
_MAX_UNREAD_CONTROL = 1000
"""Frames that are sent in response while the client reads nothing."""
_MAX_STRIKES = 2
_REMEMBERED = 1024
"""Streams whose late frames are ignored, because the server has ended them first."""
_WRITE_AT_ONCE = 65_536
_LATE_DATA = 0.1
"""Seconds for a client to end a request that is answered already: with a reset at once, clients of
grpcio that are about to send a message report that instead of the status."""

_KEEPALIVE_PING = b"rgkeepal"
_DRAIN_PING = b"rgdrain!"


class Http2Error(Exception):
    """An error that ends the connection."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Host(Protocol):
    """The server that a connection belongs to."""

    limits: Limits
    clock: RunningClock
    receive_buffer: memoryview
    """Shared by all connections."""

    def opened(self, connection: Connection) -> bool:
        """Record a connection; return False if there are too many."""

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
        "_age_limit",
        "_block",
        "_block_end",
        "_block_parts",
        "_block_since",
        "_block_stream",
        "_blocked",
        "_closing_since",
        "_control",
        "_decoder",
        "_draining",
        "_ended",
        "_flush_due",
        "_host",
        "_last",
        "_last_ping",
        "_loop",
        "_opened",
        "_out",
        "_paused",
        "_ping_sent",
        "_preface",
        "_receive_window",
        "_received",
        "_refuse_after",
        "_rest",
        "_stream_window",
        "_strikes",
        "_transport",
        "_unproductive",
        "_waiting",
        "_window",
        "handlers",
        "peer",
        "quiet",
        "streams",
    )

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._transport: Any = None
        self.peer: Peer
        self.streams: dict[int, Stream] = {}
        self.handlers = 0
        """Handlers that run, also those of streams that were reset."""
        self._decoder = Decoder(_LIST_LIMIT)
        self._opened = self._received = host.clock.now
        self._age_limit: float | None = None
        self._preface = True
        self._rest = b""
        self._waiting = False
        self._block: bytearray | None = None
        self._block_stream = self._block_parts = 0
        self._block_end = False
        self._block_since = 0.0
        self._last = 0
        self._ended: dict[int, None] = {}
        self._receive_window = DEFAULT_WINDOW
        self._window = self._stream_window = DEFAULT_WINDOW
        self._blocked: dict[Stream, None] = {}
        self._out: list[bytes] = []
        self._flush_due = False
        self._paused = False
        self._control = self._unproductive = self._strikes = 0
        self.quiet = True
        """Whether no headers or data were sent since the client's last ping."""
        self._last_ping = -1e9
        self._ping_sent: float | None = None
        self._draining = False
        self._refuse_after: int | None = None
        self._closing_since: float | None = None

    # --- of the transport -------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Send the server's settings."""
        self._transport = transport
        self.peer = peer_of(transport)
        if not self._host.opened(self) or not self.peer.speaks_http2:
            transport.abort()
            return
        limits = self._host.limits
        if limits.max_connection_age:
            age = limits.max_connection_age * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
            self._age_limit = self._opened + age
        self._receive_window = _RECEIVE_WINDOW
        self.write(
            frames.settings(
                {
                    frames.MAX_CONCURRENT_STREAMS: limits.max_streams,
                    frames.MAX_HEADER_LIST_SIZE: limits.max_header_list,
                }
            )
            + frames.window_update(0, _RECEIVE_WINDOW - DEFAULT_WINDOW)
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer into which the transport reads."""
        return self._host.receive_buffer

    def buffer_updated(self, size: int) -> None:
        """Process what was read."""
        data = bytes(self._host.receive_buffer[:size])
        self._received = self._host.clock.now
        if self._rest:
            data = self._rest + data
        if self._waiting:
            self._rest = data
        elif self._closing_since is None:
            self._process(data)

    def take_turn(self) -> None:
        """Process what is left of the last turn."""
        self._waiting = False
        if self._closing_since is None:
            self._transport.resume_reading()
            self._process(self._rest)

    def eof_received(self) -> None:
        """Close: a client that sends no more can control no flow."""

    def connection_lost(self, error: Exception | None) -> None:
        """Cancel all calls."""
        self._closing_since = self._host.clock.now
        self._out.clear()
        self._host.lost(self)
        self._cancel_all()

    def pause_writing(self) -> None:
        """Stop sending data: the client does not read."""
        self._paused = True

    def resume_writing(self) -> None:
        """Send data again."""
        self._paused = False
        self._control = 0
        self._pump()

    # --- frames in --------------------------------------------------------------------------------

    def _process(self, data: bytes) -> None:
        """Process the frames in `data`, of one turn at most, and keep the rest."""
        position, end, left = 0, len(data), _TURN
        # One write for all that the frames lead to.
        flush, self._flush_due = not self._flush_due, True
        try:
            if self._preface:
                position = self._skip_preface(data)
                if position < 0:
                    self._rest = data
                    return
            while left and end - position >= HEAD_LENGTH:
                high, length, kind, flags, number = HEAD.unpack_from(data, position)
                if high or length > MAX_PAYLOAD:
                    raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame is too large")
                stop = position + HEAD_LENGTH + length
                if stop > end:
                    break
                if self._block is not None and kind != frames.CONTINUATION:
                    raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
                payload = data[position + HEAD_LENGTH : stop]
                position = stop
                left -= 1
                if kind <= frames.CONTINUATION:
                    _FRAMES[kind](self, flags, number & MAX_STREAM_ID, payload)
                else:
                    self._count_unproductive()
            self._rest = data[position:]
            if not left and len(self._rest) >= HEAD_LENGTH:
                self._waiting = True
                self._transport.pause_reading()
                self._host.wait_for_turn(self)
        except Http2Error as error:
            self.fail(error.code, str(error))
        finally:
            if flush:
                self._flush()

    def _skip_preface(self, data: bytes) -> int:
        """Return the position after the preface; -1 if it is not complete."""
        if not data.startswith(frames.PREFACE):
            if frames.PREFACE.startswith(data):
                return -1
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC over HTTP/2")
        position = len(frames.PREFACE)
        if len(data) < position + HEAD_LENGTH:
            return -1
        if data[position + 3] != frames.SETTINGS:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._preface = False
        return position

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < _RECEIVE_WINDOW // 2:
            if self._receive_window < 0:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "data beyond the window")
            self.write(frames.window_update(0, _RECEIVE_WINDOW - self._receive_window))
            self._receive_window = _RECEIVE_WINDOW
        stream = self.streams.get(number)
        if stream is None or not stream.receiving:
            self._reject_data(number, stream, end=bool(flags & END_STREAM))
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            self.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
            return
        if flags & PADDED:
            payload = _unpadded(payload)
        end = bool(flags & END_STREAM)
        if end:
            stream.receiving = False
        if payload or end:
            self._unproductive = 0
            if stream.receiver is not None:
                stream.receiver.receive(payload, end=end)
        else:
            self._count_unproductive()

    def _reject_data(self, number: int, stream: Stream | None, *, end: bool) -> None:
        if number == 0 or number > self._last or not number & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "data for a stream that was never opened")
        self._count_unproductive()
        if stream is not None:
            self.reset(stream, ErrorCode.STREAM_CLOSED)
        elif number not in self._ended:
            raise Http2Error(ErrorCode.STREAM_CLOSED, "data for a closed stream")
        elif end:
            del self._ended[number]

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients open streams of odd numbers")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & frames.HAS_PRIORITY:
            if len(payload) < 5:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a priority is incomplete")
            if int.from_bytes(payload[:4]) & MAX_STREAM_ID == number:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
            payload = payload[5:]
        end = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._on_block(number, payload, end=end)
        else:
            self._block = bytearray(payload)
            self._block_stream, self._block_end, self._block_parts = number, end, 1
            self._block_since = self._host.clock.now

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or number != self._block_stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a continuation of no header block")
        self._block += payload
        self._block_parts += 1
        if len(self._block) > _BLOCK_LIMIT or self._block_parts > _BLOCK_PARTS:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header block is too large")
        if flags & END_HEADERS:
            block, self._block = bytes(self._block), None
            self._on_block(number, block, end=self._block_end)

    def _on_block(self, number: int, block: bytes, *, end: bool) -> None:
        try:
            # Decoded in any case: the next block depends on it.
            fields = self._decoder.decode(block)
        except HeaderListTooLargeError:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header list is too large") from None
        except CompressionError as error:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, str(error)) from None
        stream = self.streams.get(number)
        if stream is not None:
            self._on_trailers(stream, fields, end=end)
        elif number <= self._last:
            self._count_unproductive()
            if number not in self._ended:
                raise Http2Error(ErrorCode.STREAM_CLOSED, "headers for a closed stream")
            if end:
                del self._ended[number]
        else:
            self._last = number
            self._open(number, fields, end=end)

    def _open(self, number: int, fields: list[Field], *, end: bool) -> None:
        if self._refuse_after is not None:
            # The client sends it again elsewhere, because GOAWAY has a smaller number.
            return
        limit = self._host.limits.max_streams
        if len(self.streams) >= limit or self.handlers >= limit:
            self._count_unproductive()
            self._remember(number)
            self.write(frames.rst_stream(number, ErrorCode.REFUSED_STREAM))
            return
        self._unproductive = 0
        stream = Stream(number, self._stream_window, DEFAULT_WINDOW, self._host.clock.now)
        stream.receiving = not end
        self.streams[number] = stream
        try:
            self._host.start_call(self, stream, fields, self._decoder.last_size, end=end)
        except MalformedError:
            self.reset(stream, ErrorCode.PROTOCOL_ERROR)

    def _on_trailers(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        if not stream.receiving:
            self.reset(stream, ErrorCode.STREAM_CLOSED)
            return
        try:
            if not end:
                raise MalformedError
            check_trailers(fields)
        except MalformedError:
            self.reset(stream, ErrorCode.PROTOCOL_ERROR)
            return
        stream.receiving = False
        if stream.receiver is not None:
            stream.receiver.receive(b"", end=True)

    def _on_priority(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if not number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a priority of no stream")
        if len(payload) != 5:
            self._reset_number(number, ErrorCode.FRAME_SIZE_ERROR)
        elif int.from_bytes(payload[:4]) & MAX_STREAM_ID == number:
            self._reset_number(number, ErrorCode.PROTOCOL_ERROR)

    def _on_rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if not number or number > self._last:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a reset of a stream that was never opened")
        if len(payload) != 4:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a reset must have 4 bytes")
        stream = self.streams.get(number)
        if stream is not None:
            self._forget(stream)
            if stream.receiver is not None:
                stream.receiver.cancel()
            self._close_if_drained()

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "settings of a stream")
        if flags & ACK:
            if payload:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement has no payload")
            return
        if len(payload) % 6:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "settings have 6 bytes each")
        for setting, value in frames.SETTING.iter_unpack(payload):
            if setting == frames.INITIAL_WINDOW_SIZE:
                self._resize_windows(value)
            elif setting == frames.ENABLE_PUSH and value > 1:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH must be 0 or 1")
            elif setting == frames.MAX_FRAME_SIZE and not (
                MAX_PAYLOAD <= value <= frames.LARGEST_MAX_FRAME_SIZE
            ):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
        self._respond_control(frames.frame(frames.SETTINGS, ACK, 0))
        self._pump()

    def _resize_windows(self, size: int) -> None:
        if size > MAX_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is out of range")
        change, self._stream_window = size - self._stream_window, size
        for stream in self.streams.values():
            stream.window += change
            if stream.window > MAX_WINDOW:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is out of range")
            if stream.unsent is not None:
                self._blocked[stream] = None

    def _on_push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients push nothing")

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a ping of a stream")
        if len(payload) != 8:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a ping must have 8 bytes")
        if flags & ACK:
            self._ping_sent = None
            if payload == _DRAIN_PING and self._draining and self._refuse_after is None:
                self._refuse_further()
            return
        self._respond_control(frames.frame(frames.PING, ACK, 0, payload))
        now = self._loop.time()
        if not self.quiet:
            self.quiet, self._strikes = True, 0
        elif now - self._last_ping < self._host.limits.min_ping_interval:
            self._strikes += 1
            if self._strikes > _MAX_STRIKES:
                raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings")
        self._last_ping = now

    def _on_goaway(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY must have 8 bytes or more")

    def _on_window_update(self, flags: int, number: int, payload: bytes) -> None:
        self._count_unproductive()
        if len(payload) != 4:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a window update must have 4 bytes")
        increment = int.from_bytes(payload) & MAX_WINDOW
        if not number:
            if not increment:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window update of 0")
            self._window += increment
            if self._window > MAX_WINDOW:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is out of range")
            self._pump()
            return
        stream = self.streams.get(number)
        if stream is None:
            if number > self._last:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window of a stream never opened")
        elif not increment:
            self.reset(stream, ErrorCode.PROTOCOL_ERROR)
        elif stream.window + increment > MAX_WINDOW:
            self.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
        else:
            stream.window += increment
            if stream.unsent is not None:
                self._blocked[stream] = None
                self._pump()

    def _count_unproductive(self) -> None:
        self._unproductive += 1
        if self._unproductive > _MAX_UNPRODUCTIVE:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without a request")

    # --- frames out -------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send frames, together with others of this round of the event loop."""
        self._out.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._out and self._transport is not None:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._transport.write(data)

    def _respond_control(self, data: bytes) -> None:
        """Send a response to a frame; a client that does not read them may not cause many."""
        if self._paused:
            self._control += 1
            if self._control > _MAX_UNREAD_CONTROL:
                raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "unread responses")
        self.write(data)

    def respond(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a response of one message, and end the stream.

        Returns whether flow control allowed all of it; otherwise its receiver is notified later.
        """
        size, number = len(data), stream.number
        if (
            size > MAX_PAYLOAD
            or size > self._window
            or size > stream.window
            or self._paused
            or len(head) + len(trailers) > MAX_PAYLOAD
        ):
            self.send_headers(stream, head)
            sent = self.send_data(stream, data)
            return self.end(stream, trailers) and sent
        self.quiet = False
        self._window -= size
        self.write(
            b"".join(
                (
                    HEAD.pack(0, len(head), frames.HEADERS, END_HEADERS, number),
                    head,
                    HEAD.pack(0, size, frames.DATA, 0, number),
                    data,
                    HEAD.pack(0, len(trailers), frames.HEADERS, END_HEADERS | END_STREAM, number),
                    trailers,
                )
            )
        )
        self._finish(stream)
        return True

    def send_headers(self, stream: Stream, block: bytes) -> None:
        """Send the header block that begins a response."""
        self.quiet = False
        self.write(frames.header_frames(stream.number, block, end=False))

    def send_data(self, stream: Stream, data: bytes) -> bool:
        """Send data; return whether flow control allowed all of it, else notify the receiver."""
        stream.unsent = memoryview(data)
        stream.since = self._host.clock.now
        self._blocked[stream] = None
        self._pump()
        return stream.unsent is None

    def end(self, stream: Stream, trailers: bytes) -> bool:
        """End the stream by a header block, after its data; return whether it is sent."""
        if stream.unsent is not None:
            stream.trailers = trailers
            return False
        self.quiet = False
        self.write(frames.header_frames(stream.number, trailers, end=True))
        self._finish(stream)
        return True

    def respond_in_http(self, stream: Stream, block: bytes, body: bytes) -> None:
        """Send a response that is not gRPC, and end the stream."""
        self.send_headers(stream, block)
        stream.trailers = b""
        self.send_data(stream, body)

    def drop_unsent(self, stream: Stream) -> None:
        """Do not send what waits for flow control."""
        stream.unsent = None
        self._blocked.pop(stream, None)

    def grant(self, stream: Stream, size: int) -> None:
        """Let the client send `size` more bytes on the stream."""
        if stream.receiving and size > 0:
            stream.receive_window += size
            self.write(frames.window_update(stream.number, size))

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream by an error, and cancel its call."""
        self.write(frames.rst_stream(stream.number, code))
        self._remember(stream.number)
        self._forget(stream)
        if stream.receiver is not None:
            stream.receiver.cancel()
        self._close_if_drained()

    def _reset_number(self, number: int, code: ErrorCode) -> None:
        stream = self.streams.get(number)
        if stream is None:
            self._remember(number)
            self.write(frames.rst_stream(number, code))
        else:
            self.reset(stream, code)

    def _pump(self) -> None:
        """Send the data that flow control allows, by turns of streams."""
        blocked, written = self._blocked, 0
        while blocked and self._window > 0 and not self._paused:
            stream = next(iter(blocked))
            del blocked[stream]
            unsent = stream.unsent
            if unsent is None:
                continue
            size = min(len(unsent), self._window, stream.window, MAX_PAYLOAD)
            if size <= 0:
                # The update of its window adds it again.
                continue
            self._window -= size
            stream.window -= size
            stream.since = self._host.clock.now
            self._unproductive = 0
            self.quiet = False
            self.write(HEAD.pack(0, size, frames.DATA, 0, stream.number) + unsent[:size])
            if size < len(unsent):
                stream.unsent = unsent[size:]
                blocked[stream] = None
            else:
                stream.unsent = None
                if stream.trailers:
                    self.end(stream, stream.trailers)
                elif stream.trailers is not None:
                    self.write(HEAD.pack(0, 0, frames.DATA, END_STREAM, stream.number))
                    self._finish(stream)
                if stream.receiver is not None:
                    stream.receiver.sent()
            written += size
            if written >= _WRITE_AT_ONCE:
                # The transport says whether the client still reads.
                written = 0
                self._flush()

    def _finish(self, stream: Stream) -> None:
        """Forget a stream after its last frame."""
        if stream.receiving:
            self._remember(stream.number)
            self._loop.call_later(_LATE_DATA, self._stop_request, stream.number)
        self._forget(stream)
        self._close_if_drained()

    def _stop_request(self, number: int) -> None:
        """Have the client stop sending what nobody reads (RFC 9113, 8.1)."""
        if number in self._ended and not self.closing:
            self.write(frames.rst_stream(number, ErrorCode.NO_ERROR))

    def _forget(self, stream: Stream) -> None:
        stream.open = stream.receiving = False
        stream.unsent = None
        self._blocked.pop(stream, None)
        self.streams.pop(stream.number, None)

    def _remember(self, number: int) -> None:
        self._ended[number] = None
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    # --- the end of the connection ----------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closing_since is not None

    def drain(self, reason: str) -> None:
        """Let calls in flight end, and have the client open no others (RFC 9113, 6.8)."""
        if self._draining or self.closing:
            return
        self._draining = True
        if self._preface:
            self.fail(ErrorCode.NO_ERROR, reason)
            return
        # Calls that are under way are accepted until the client has received the first GOAWAY.
        self.write(
            frames.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, reason)
            + frames.frame(frames.PING, 0, 0, _DRAIN_PING)
        )

    def _refuse_further(self) -> None:
        self._refuse_after = self._last
        self.write(frames.goaway(self._last, ErrorCode.NO_ERROR))
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._refuse_after is not None and not self.streams:
            self._close()

    def fail(self, code: ErrorCode, reason: str) -> None:
        """Close the connection with an error, and cancel its calls."""
        if self.closing:
            return
        self.write(frames.goaway(self._last, code, reason))
        self._close()
        self._cancel_all()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def cut_off(self, reason: str) -> None:
        """End all calls, and close the connection."""
        for stream in list(self.streams.values()):
            if stream.receiver is not None:
                stream.receiver.abandon(reason)
        self.fail(ErrorCode.NO_ERROR, reason)

    def _close(self) -> None:
        """Close the connection when what was written is sent."""
        if self.closing:
            return
        self._flush()
        self._closing_since = self._host.clock.now
        self._transport.close()

    def _cancel_all(self) -> None:
        for stream in list(self.streams.values()):
            self._forget(stream)
            if stream.receiver is not None:
                stream.receiver.cancel()

    def check(self, now: float) -> None:
        """Enforce the limits of time; `now` is in seconds of the running clock."""
        limits = self._host.limits
        if self._closing_since is not None:
            if now - self._closing_since > limits.handshake_timeout:
                self.abort()
            return
        if self._preface:
            if now - self._opened > limits.handshake_timeout:
                self.abort()
            return
        if self._block is not None and now - self._block_since > limits.message_timeout:
            self.fail(ErrorCode.ENHANCE_YOUR_CALM, "a header block was not completed")
            return
        if self._age_limit is not None and now > self._age_limit:
            if now > self._age_limit + limits.age_grace:
                self.fail(ErrorCode.NO_ERROR, "max_age")
                return
            self.drain("max_age")
        if self._ping_sent is not None and self._received <= self._ping_sent:
            if now - self._ping_sent > limits.keepalive_timeout:
                self.abort()
                return
        elif now - self._received > limits.keepalive:
            self._ping_sent = now
            self.write(frames.frame(frames.PING, 0, 0, _KEEPALIVE_PING))
        for stream in list(self.streams.values()):
            if stream.unsent is not None and now - stream.since > limits.stall_timeout:
                self.reset(stream, ErrorCode.CANCEL)
            elif stream.receiving and stream.receiver is not None:
                stream.receiver.expire(now)


def _unpadded(payload: bytes) -> bytes:
    if not payload:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "the padding has no length")
    padding = payload[0]
    if padding >= len(payload):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the padding is longer than its frame")
    return payload[1 : len(payload) - padding]


_FRAMES: Mapping[int, Callable[[Connection, int, int, bytes], None]] = {
    frames.DATA: Connection._on_data,
    frames.HEADERS: Connection._on_headers,
    frames.PRIORITY: Connection._on_priority,
    frames.RST_STREAM: Connection._on_rst_stream,
    frames.SETTINGS: Connection._on_settings,
    frames.PUSH_PROMISE: Connection._on_push_promise,
    frames.PING: Connection._on_ping,
    frames.GOAWAY: Connection._on_goaway,
    frames.WINDOW_UPDATE: Connection._on_window_update,
    frames.CONTINUATION: Connection._on_continuation,
}
