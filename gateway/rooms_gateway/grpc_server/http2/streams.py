"""The streams of one connection: opened by the client, ended by either side (RFC 9113, 5)."""

from __future__ import annotations

import asyncio
from array import array

from rooms_gateway.grpc_server.http2 import frames
from rooms_gateway.grpc_server.http2.frames import ErrorCode
from rooms_gateway.grpc_server.http2.output import Output
from rooms_gateway.grpc_server.http2.stream import Stream

_REMEMBERED = 1024
"""Streams that the server has ended first, so that late frames of them are ignored."""

_EARLY_END = 0.1
"""Seconds for a client to end a request that fails before its end: clients of grpcio that are about
to send a message would report that, and not the status."""


class Streams:
    """The open streams, and the numbers of some that have ended."""

    __slots__ = ("_ended", "_loop", "_output", "by_number", "last")

    def __init__(self, loop: asyncio.AbstractEventLoop, output: Output) -> None:
        self._loop = loop
        self._output = output
        self.by_number: dict[int, Stream] = {}
        self.last = 0
        """The largest number that the client has used."""
        # An array, because a client can have as many as are remembered on each connection.
        self._ended = array("I")

    def __len__(self) -> int:
        return len(self.by_number)

    def __contains__(self, number: int) -> bool:
        """Return whether the client has ever opened the stream."""
        return bool(number & 1) and number <= self.last

    def open(self, number: int, *, receiving: bool) -> Stream:
        """Return a new stream; `receiving`: the client sends more than headers."""
        self.by_number[number] = stream = self._output.new_stream(number)
        stream.receiving = receiving
        return stream

    def ended_here(self, number: int) -> bool:
        """Return whether the server has ended a stream that its client may not know as ended."""
        return number in self._ended

    def receive(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """Hand bytes of a request to its receiver."""
        if end:
            stream.receiving = False
        if stream.receiver is not None:
            stream.receiver.receive(data, end=end)
        elif end:
            self.finish(stream)

    def fail(self, stream: Stream, trailers: bytes) -> None:
        """End a stream by trailers with an error, when the client has ended it or does not."""
        stream.receiver = None
        stream.late_trailers = trailers
        if stream.receiving:
            self._loop.call_later(_EARLY_END, self.finish, stream)
        else:
            self.finish(stream)

    def finish(self, stream: Stream) -> None:
        """Send the trailers of `fail`, if they are not sent."""
        trailers, stream.late_trailers = stream.late_trailers, None
        if trailers is not None and stream.open:
            self._output.end(stream, trailers)

    def grant(self, stream: Stream, size: int) -> None:
        """Let the client send `size` more bytes on the stream."""
        if stream.receiving and size > 0:
            stream.receive_window += size
            self._output.write(frames.window_update(stream.number, size))

    def reset(self, number: int, code: ErrorCode) -> None:
        """End a stream, open or not, by an error; cancel its call."""
        self._output.write(frames.rst_stream(number, code))
        self._ended.append(number)
        if len(self._ended) > _REMEMBERED:
            del self._ended[: _REMEMBERED // 2]
        stream = self.by_number.get(number)
        if stream is not None:
            self.cancel(stream)

    def cancel(self, stream: Stream) -> None:
        """Forget a stream, and cancel its call."""
        self.forget(stream)
        if stream.receiver is not None:
            stream.receiver.cancel()

    def forget(self, stream: Stream) -> None:
        """Forget a stream after its last frame."""
        stream.open = stream.receiving = False
        if stream.unsent is not None:
            self._output.drop_unsent(stream)
        self.by_number.pop(stream.number, None)

    def abandon_all(self, reason: str) -> None:
        """End all calls by a status."""
        for stream in list(self.by_number.values()):
            if stream.receiver is not None:
                stream.receiver.abandon(reason)
            self.finish(stream)

    def cancel_all(self) -> None:
        """Cancel all calls."""
        for stream in list(self.by_number.values()):
            self.cancel(stream)

    def check(self, now: float, stall_timeout: float) -> None:
        """Enforce the limits of time; `now` is in seconds of the running clock."""
        for stream in list(self.by_number.values()):
            if stream.unsent is not None and now - stream.since > stall_timeout:
                self.reset(stream.number, ErrorCode.CANCEL)
            elif stream.receiving and stream.receiver is not None:
                stream.receiver.expire(now)
