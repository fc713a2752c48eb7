"""The bytes toward one client: frames of a round in one write, and data as flow control allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rooms_gateway.grpc_server.http2 import frames
from rooms_gateway.grpc_server.http2.frames import (
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEAD,
    MAX_PAYLOAD,
    MAX_WINDOW,
    ErrorCode,
    Http2Error,
)
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.limits import RunningClock

_HIGH_WATER = 16_384
"""Bytes that the transport may keep until the client is regarded as one that does not read."""

_WRITE_AT_ONCE = 65_536
"""Bytes of data until the transport is asked whether the client still reads."""


class Output:
    """Sends frames to a client, and the data of its streams alternately."""

    __slots__ = (
        "_blocked",
        "_clock",
        "_closed",
        "_flush_due",
        "_loop",
        "_on_end",
        "_on_unread",
        "_out",
        "_stream_window",
        "_transport",
        "_window",
        "paused",
        "quiet",
        "unproductive",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: RunningClock,
        on_end: Callable[[Stream], None],
        on_unread: Callable[[], None],
    ) -> None:
        """Call `on_end` when the last frame of a stream is sent.

        `on_unread` is called when more is written than the client reads.
        """
        self._loop = loop
        self._clock = clock
        self._on_end = on_end
        self._on_unread = on_unread
        self._transport: Any = None
        self._out: list[bytes] = []
        self._flush_due = False
        self._closed = False
        self.paused = False
        """Whether the client does not read what was sent."""
        self._window = self._stream_window = DEFAULT_WINDOW
        # In the order in which they send; a stream with an empty window is not among them.
        self._blocked: dict[Stream, None] = {}
        self.quiet = True
        """Whether no headers or data were sent since the client's last ping."""
        self.unproductive = 0
        """Frames in a row, of the client, that carry neither a call nor data."""

    # --- the transport ----------------------------------------------------------------------------

    def attach(self, transport: Any) -> None:
        """Begin to write to an asyncio transport."""
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH_WATER)

    def write(self, data: bytes) -> None:
        """Send frames, together with others of this round of the event loop."""
        self._out.append(data)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def hold(self) -> bool:
        """Write nothing before `flush`; return False if it is held already."""
        held, self._flush_due = self._flush_due, True
        return not held

    def flush(self) -> None:
        """Write what was sent."""
        self._flush_due = False
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if self._closed:
                return
            self._transport.write(data)
            if self.paused:
                self._on_unread()

    def close(self) -> None:
        """Write what was sent, and nothing after it."""
        self.flush()
        self._closed = True
        self._blocked.clear()

    def pause(self) -> None:
        """Stop sending data: the client does not read."""
        self.paused = True

    def resume(self) -> None:
        """Send data again."""
        self.paused = False
        self.pump()

    # --- responses --------------------------------------------------------------------------------

    def respond(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a response of one message, and end the stream.

        Returns whether flow control allowed all of it; otherwise its receiver is notified later.
        """
        size, number = len(data), stream.number
        if (
            size > min(MAX_PAYLOAD, self._window, stream.window)
            or self.paused
            or len(head) + len(trailers) > MAX_PAYLOAD
        ):
            self.send_headers(stream, head)
            self.send_data(stream, data)
            return self.end(stream, trailers)
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
        self._on_end(stream)
        return True

    def respond_in_http(self, stream: Stream, block: bytes, body: bytes) -> None:
        """Send a response that is not gRPC, and end the stream."""
        self.send_headers(stream, block)
        stream.trailers = b""
        self.send_data(stream, body)

    def send_headers(self, stream: Stream, block: bytes) -> None:
        """Send the header block that begins a response."""
        self.quiet = False
        self.write(frames.header_frames(stream.number, block, end=False))

    def send_data(self, stream: Stream, data: bytes) -> bool:
        """Send data; return whether flow control allowed all of it, else notify the receiver."""
        stream.unsent = memoryview(data)
        stream.since = self._clock.now
        self._blocked[stream] = None
        self.pump()
        return stream.unsent is None

    def end(self, stream: Stream, trailers: bytes) -> bool:
        """End the stream by a header block, after its data; return whether it is sent."""
        if stream.unsent is not None:
            stream.trailers = trailers
            return False
        self.quiet = False
        self.write(frames.header_frames(stream.number, trailers, end=True))
        self._on_end(stream)
        return True

    def drop_unsent(self, stream: Stream) -> None:
        """Do not send what waits for flow control."""
        stream.unsent = None
        self._blocked.pop(stream, None)

    # --- flow control -----------------------------------------------------------------------------

    def new_stream(self, number: int) -> Stream:
        """Return a stream with the windows that both sides have announced."""
        return Stream(number, self._stream_window, DEFAULT_WINDOW, self._clock.now)

    def widen(self, increment: int) -> None:
        """Add to the window of the connection. Raises Http2Error."""
        if not increment:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a window update of 0")
        self._window += increment
        if self._window > MAX_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is out of range")
        self.pump()

    def widen_stream(self, stream: Stream, increment: int) -> None:
        """Add to the window of a stream."""
        stream.window += increment
        if stream.unsent is not None:
            self._blocked[stream] = None
            self.pump()

    def resize_streams(self, streams: list[Stream], size: int) -> None:
        """Change the initial window of streams, also of those that exist. Raises Http2Error."""
        change, self._stream_window = size - self._stream_window, size
        for stream in streams:
            stream.window += change
            if stream.window > MAX_WINDOW:
                raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "a window is out of range")
            if stream.unsent is not None:
                self._blocked[stream] = None

    def pump(self) -> None:
        """Send the data that flow control allows, of each stream alternately."""
        blocked, written = self._blocked, 0
        while blocked and self._window > 0 and not self.paused:
            stream = next(iter(blocked))
            del blocked[stream]
            size = self._send_some(stream)
            if stream.unsent is not None and size:
                blocked[stream] = None
            written += size
            if written >= _WRITE_AT_ONCE:
                written = 0
                self.flush()

    def _send_some(self, stream: Stream) -> int:
        """Send a frame of a stream; return the number of bytes that flow control allowed."""
        unsent, receiver = stream.unsent, stream.receiver
        if unsent is None:
            return 0
        size = min(len(unsent), self._window, stream.window, MAX_PAYLOAD)
        if size <= 0:
            return 0
        self._window -= size
        stream.window -= size
        stream.since = self._clock.now
        self.unproductive = 0
        self.quiet = False
        ends_here = size == len(unsent) and stream.trailers == b""
        flags = END_STREAM if ends_here else 0
        self.write(HEAD.pack(0, size, frames.DATA, flags, stream.number) + unsent[:size])
        if size < len(unsent):
            stream.unsent = unsent[size:]
            return size
        stream.unsent = None
        if ends_here:
            self._on_end(stream)
        elif stream.trailers is not None:
            self.end(stream, stream.trailers)
        if receiver is not None:
            receiver.sent()
        return size
