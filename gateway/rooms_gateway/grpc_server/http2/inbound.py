"""The frames of a client: checked, and carried out on its streams (RFC 9113, 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from rooms_gateway.grpc_server.http2 import frames
from rooms_gateway.grpc_server.http2.fields import MalformedError, check_trailers
from rooms_gateway.grpc_server.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_LENGTH,
    MAX_PAYLOAD,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PADDED,
    ErrorCode,
    Http2Error,
)
from rooms_gateway.grpc_server.http2.header_blocks import HeaderBlocks
from rooms_gateway.grpc_server.http2.hpack import Field
from rooms_gateway.grpc_server.http2.liveness import Liveness
from rooms_gateway.grpc_server.http2.output import Output
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.http2.streams import Streams
from rooms_gateway.grpc_server.limits import RunningClock

RECEIVE_WINDOW = 1024 * 1024
"""Of a connection: a client with 100 calls is not held up, and streams bound the bytes kept."""

_MAX_UNPRODUCTIVE = 1000
"""Frames in a row that carry neither a call nor data."""

_MAX_RESETS = 500
_EARLY = 1.0
"""A client may reset half of its calls within a second, or so many: the limits of Envoy."""


class Owner(Protocol):
    """The connection, as the frames of its client concern it."""

    def admits(self, number: int) -> bool:
        """Return whether the client may open a stream; what may not is refused or ignored."""

    def start_call(self, stream: Stream, fields: list[Field], size: int, *, end: bool) -> None:
        """Start the call of a stream; `size` is that of the header list. Raises MalformedError."""

    def on_ping_response(self, payload: bytes) -> None:
        """Take note of the response to a ping."""


class Inbound:
    """Carries out the frames of one client. Http2Error ends the connection."""

    __slots__ = (
        "_clock",
        "_liveness",
        "_loop",
        "_opened",
        "_output",
        "_owner",
        "_preface",
        "_receive_window",
        "_resets",
        "_streams",
        "blocks",
    )

    def __init__(
        self,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        clock: RunningClock,
        output: Output,
        streams: Streams,
        liveness: Liveness,
    ) -> None:
        self._owner = owner
        self._loop = loop
        self._clock = clock
        self._output = output
        self._streams = streams
        self._liveness = liveness
        self.blocks = HeaderBlocks()
        self._preface = True
        self._receive_window = RECEIVE_WINDOW
        self._opened = self._resets = 0
        """Calls, and how many of them the client has reset early."""

    @property
    def greeted(self) -> bool:
        """Whether the client has sent the preface of HTTP/2."""
        return not self._preface

    def process(self, data: bytes, limit: int) -> tuple[int, bool]:
        """Process up to `limit` frames in `data`.

        Returns the position after them, and whether more may be complete. Raises Http2Error.
        """
        position, end = 0, len(data)
        if self._preface:
            position = self._skip_preface(data)
            if self._preface:
                return 0, False
        blocks = self.blocks
        for _ in range(limit):
            if end - position < HEAD_LENGTH:
                return position, False
            high, length, kind, flags, number = HEAD.unpack_from(data, position)
            if high or length > MAX_PAYLOAD:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a frame is too large")
            stop = position + HEAD_LENGTH + length
            if stop > end:
                return position, False
            if blocks.part is not None and kind != frames.CONTINUATION:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
            payload = data[position + HEAD_LENGTH : stop]
            position = stop
            if kind < len(_HANDLERS):
                _HANDLERS[kind](self, flags, number & MAX_STREAM_ID, payload)
            else:
                self._count_unproductive()
        return position, position < end

    def _skip_preface(self, data: bytes) -> int:
        if not data.startswith(frames.PREFACE):
            if frames.PREFACE.startswith(data):
                return 0
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "this port serves gRPC over HTTP/2")
        position = len(frames.PREFACE)
        if len(data) < position + HEAD_LENGTH:
            return 0
        if HEAD.unpack_from(data, position)[2] != frames.SETTINGS:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._preface = False
        return position

    def data(self, flags: int, number: int, payload: bytes) -> None:
        """Take bytes of a request."""
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < RECEIVE_WINDOW // 2:
            if self._receive_window < 0:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "data beyond the window")
            self._output.write(frames.window_update(0, RECEIVE_WINDOW - self._receive_window))
            self._receive_window = RECEIVE_WINDOW
        stream = self._streams.by_number.get(number)
        if stream is None or not stream.receiving:
            self._reject_data(number, stream)
            return
        stream.receive_window -= size
        if stream.receive_window < 0:
            self._streams.reset(number, ErrorCode.FLOW_CONTROL_ERROR)
            return
        if flags & PADDED:
            payload = frames.unpadded(payload)
        end = bool(flags & END_STREAM)
        if payload or end:
            self._output.unproductive = 0
            self._streams.receive(stream, payload, end=end)
        else:
            self._count_unproductive()

    def _reject_data(self, number: int, stream: Stream | None) -> None:
        if number not in self._streams:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "data for a stream that was never opened")
        self._count_unproductive()
        if stream is not None:
            self._streams.reset(number, ErrorCode.STREAM_CLOSED)
        elif not self._streams.ended_here(number):
            raise Http2Error(ErrorCode.STREAM_CLOSED, "data for a closed stream")

    def headers(self, flags: int, number: int, payload: bytes) -> None:
        """Open a stream, or end its request."""
        if not number & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients open streams of odd numbers")
        if flags & PADDED:
            payload = frames.unpadded(payload)
        if flags & frames.HAS_PRIORITY:
            if len(payload) < frames.PRIORITY_LENGTH:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "a priority is incomplete")
            if _dependency(payload) == number:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
            payload = payload[frames.PRIORITY_LENGTH :]
        end = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._block(number, payload, end=end)
        else:
            self.blocks.begin(number, payload, self._clock.now, end=end)

    def continuation(self, flags: int, number: int, payload: bytes) -> None:
        """Take a further part of a header block."""
        self.blocks.add(number, payload)
        if flags & END_HEADERS:
            self._block(number, self.blocks.take(), end=self.blocks.end)

    def _block(self, number: int, block: bytes, *, end: bool) -> None:
        # Decoded in any case: the next block depends on it.
        fields = self.blocks.decode(block)
        streams = self._streams
        stream = streams.by_number.get(number)
        if stream is not None:
            self._trailers(stream, fields, end=end)
        elif number in streams:
            self._count_unproductive()
            if not streams.ended_here(number):
                raise Http2Error(ErrorCode.STREAM_CLOSED, "headers for a closed stream")
        else:
            streams.last = number
            if self._owner.admits(number):
                self._output.unproductive = 0
                self._opened += 1
                self._start(streams.open(number, receiving=not end), fields, end=end)
            else:
                self._count_unproductive()

    def _start(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        try:
            self._owner.start_call(stream, fields, self.blocks.decoder.last_size, end=end)
        except MalformedError:
            self._streams.reset(stream.number, ErrorCode.PROTOCOL_ERROR)

    def _trailers(self, stream: Stream, fields: list[Field], *, end: bool) -> None:
        if not stream.receiving:
            self._streams.reset(stream.number, ErrorCode.STREAM_CLOSED)
            return
        try:
            if not end:
                raise MalformedError
            check_trailers(fields)
        except MalformedError:
            self._streams.reset(stream.number, ErrorCode.PROTOCOL_ERROR)
        else:
            self._streams.receive(stream, b"", end=True)

    def priority(self, flags: int, number: int, payload: bytes) -> None:
        """Ignore a priority that is valid."""
        self._count_unproductive()
        if not number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a priority of no stream")
        if len(payload) != frames.PRIORITY_LENGTH:
            self._end_stream(number, ErrorCode.FRAME_SIZE_ERROR, "a priority must have 5 bytes")
        elif _dependency(payload) == number:
            self._end_stream(number, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")

    def _end_stream(self, number: int, code: ErrorCode, reason: str) -> None:
        """Reset a stream, or the connection for one that was never opened (5.1)."""
        if number not in self._streams:
            raise Http2Error(code, reason)
        self._streams.reset(number, code)

    def rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        """Cancel a call."""
        self._count_unproductive()
        if number not in self._streams:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a reset of a stream that was never opened")
        frames.expect(frames.WORD_LENGTH, payload, "a reset")
        stream = self._streams.by_number.get(number)
        if stream is not None:
            if self._clock.now - stream.opened < _EARLY:
                self._resets += 1
                if self._resets > _MAX_RESETS and 2 * self._resets > self._opened:
                    raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many calls are reset")
            self._streams.cancel(stream)

    def settings(self, flags: int, number: int, payload: bytes) -> None:
        """Apply the client's settings."""
        self._count_unproductive()
        frames.expect_connection(number, "settings")
        if flags & ACK:
            frames.expect(0, payload, "an acknowledgement")
            return
        window = frames.read_settings(payload).get(frames.INITIAL_WINDOW_SIZE)
        if window is not None:
            self._output.resize_streams(list(self._streams.by_number.values()), window)
        self._output.write(frames.frame(frames.SETTINGS, ACK, 0))
        self._output.pump()

    def push_promise(self, flags: int, number: int, payload: bytes) -> None:
        """Reject a frame of servers."""
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "clients push nothing")

    def ping(self, flags: int, number: int, payload: bytes) -> None:
        """Respond to a ping."""
        self._count_unproductive()
        frames.expect_connection(number, "a ping")
        frames.expect(frames.PING_LENGTH, payload, "a ping")
        if flags & ACK:
            self._owner.on_ping_response(payload)
            return
        self._output.write(frames.frame(frames.PING, ACK, 0, payload))
        self._liveness.on_ping(self._loop.time(), quiet=self._output.quiet)
        self._output.quiet = True

    def goaway(self, flags: int, number: int, payload: bytes) -> None:
        """Take note of nothing: the client opens no streams, and its calls end."""
        self._count_unproductive()
        frames.expect_connection(number, "GOAWAY")
        if len(payload) < frames.MIN_GOAWAY_LENGTH:
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY must have 8 bytes or more")

    def window_update(self, flags: int, number: int, payload: bytes) -> None:
        """Widen the window of the connection or of a stream."""
        self._count_unproductive()
        frames.expect(frames.WORD_LENGTH, payload, "a window update")
        increment = int.from_bytes(payload) & MAX_WINDOW
        stream = self._streams.by_number.get(number)
        if not number:
            self._output.widen(increment)
        elif stream is None:
            if number not in self._streams:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window of a stream never opened")
        elif not increment:
            self._streams.reset(number, ErrorCode.PROTOCOL_ERROR)
        elif stream.window + increment > MAX_WINDOW:
            self._streams.reset(number, ErrorCode.FLOW_CONTROL_ERROR)
        else:
            self._output.widen_stream(stream, increment)

    def _count_unproductive(self) -> None:
        self._output.unproductive += 1
        if self._output.unproductive > _MAX_UNPRODUCTIVE:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without a request")


_HANDLERS: tuple[Callable[[Inbound, int, int, bytes], None], ...] = (
    Inbound.data,
    Inbound.headers,
    Inbound.priority,
    Inbound.rst_stream,
    Inbound.settings,
    Inbound.push_promise,
    Inbound.ping,
    Inbound.goaway,
    Inbound.window_update,
    Inbound.continuation,
)
"""By the types of frames."""


def _dependency(priority: bytes) -> int:
    """Return the stream on which another depends (RFC 7540, 6.3)."""
    return int.from_bytes(priority[: frames.WORD_LENGTH]) & MAX_STREAM_ID
