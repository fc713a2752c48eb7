"""One HTTP/1.1 connection to the upstream: one request at a time, one response to each.

llhttp (by httptools, without its leniencies) parses the grammar of RFC 9112; this module interprets
the messages and decides whether the connection is reusable. No other module imports httptools.

Header fields are read from the bytes of a head that llhttp has accepted: a callback of httptools
for each of them would cost as much as the rest of the response.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Never, cast

import httptools

from rooms_gateway.aio import ReusableTimer
from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.messages import Headers, RestResponse

MAX_HEAD_BYTES = 16384
"""Maximum size of a head, and of input that is no part of a body (trailers, chunk extensions)."""

_INFORMATIONAL = range(100, 200)
_WITHOUT_BODY = frozenset({204, 304})

_NO_HEADERS = Headers(b"")
_CHUNKED = b"\r\ntransfer-encoding: chunked\r\n"
"""The usual form of the only encoding, in lower case."""

_TLS_ALERT = b"\x15\x03"
"""Begin of the response of a TLS server to plain HTTP: an alert record (RFC 8446, section 5.1)."""


class BrokenResponseError(Exception):
    """No complete HTTP response was received; the connection is not reusable."""

    def __init__(self, reason: str, kind: AttemptFailure = AttemptFailure.NOT_HTTP) -> None:
        super().__init__(f"not HTTP: {reason}" if kind is AttemptFailure.NOT_HTTP else reason)
        self.kind = kind


class Connection(asyncio.Protocol):
    """Protocol of one transport. A failed or cancelled round trip closes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_body_bytes: int) -> None:
        self._loop = loop
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[RestResponse] | None = None
        self._timer = ReusableTimer(loop, self._time_out)
        self._response: RestResponse | None = None
        self._error: Exception | None = None
        self._heads: bytes | None = b""
        """What has been received of the heads of a response; None once its body has begun."""
        self._status = 0
        self._headers = _NO_HEADERS
        self._size = self._progress = self._silent = 0
        self._body: list[bytes] = []
        self._persistent = False
        self.expires_at = self.idle_since = loop.time()
        """In `loop.time()` seconds; maintained by the pool."""
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the transport is closed."""

    async def round_trip(self, request: bytes, deadline: float) -> RestResponse:
        """Send `request` and return the response. HEAD is not supported.

        `deadline` is in `loop.time()` seconds. Raises BrokenResponseError,
        InvalidUpstreamResponseError or TimeoutError.
        """
        self._waiter = self._loop.create_future()
        # Not asyncio.timeout, which costs as much as the rest of the round trip.
        self._timer.start(deadline)
        # In one write without flow control: the request is in memory, and no other follows it.
        self._transport.write(request)
        return await self._waiter

    @property
    def usable(self) -> bool:
        """Whether the connection is open and no round trip is in progress."""
        return self._waiter is None and not self._transport.is_closing()

    def extra_info(self, name: str) -> Any:
        """Return a property of the transport, as `asyncio.BaseTransport.get_extra_info` does."""
        return self._transport.get_extra_info(name)

    def close(self) -> None:
        """Abort the connection. Idempotent."""
        self._transport.abort()

    # --- callbacks of the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse a part of the response; close the connection if no request is in progress."""
        if self._waiter is None:
            self.close()
            return
        broken = None
        if self._heads is not None:
            self._heads = self._heads + data if self._heads else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            broken = self._error or self._parser_error(error, data)
        if self._response is not None:
            # Bytes after a complete response do not invalidate it.
            self._deliver(self._response, reusable=broken is None)
        elif broken is not None:
            self._fail(broken)
        else:
            self._limit_silence(len(data))

    def eof_received(self) -> None:
        """Complete a response that ends with the connection, and close the connection."""
        if self._waiter is not None and self._ends_with_connection():
            self.on_message_complete()
            self._deliver(cast("RestResponse", self._response), reusable=False)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the round trip in progress, if any."""
        reason = "connection closed" if exc is None else f"connection broken ({type(exc).__name__})"
        self._fail(BrokenResponseError(f"{reason} before the response", AttemptFailure.LOST))
        self._timer.close()
        # Both hold bound methods of this object; without the cycles, memory is freed at once.
        del self._parser, self._timer
        self._body = []
        self.lost.set_result(None)

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        """Discard the previous message, which can only be an informational one."""
        if self._response is not None:
            self._abort_parsing(BrokenResponseError("two responses"))
        self._headers, self._body = _NO_HEADERS, []
        self._size = 0

    def on_headers_complete(self) -> None:
        """Determine how the body ends (RFC 9112, section 6.3)."""
        self._status = status = self._parser.get_status_code()
        self._headers = headers = Headers(self._take_head(status))
        if status < _INFORMATIONAL.start:
            self._abort_parsing(BrokenResponseError("invalid status"))
        encodings = headers.lower.count(b"-encoding:")
        if encodings and (encodings > 1 or _CHUNKED not in headers.lower):
            self._check_encodings(headers)
        self._persistent = self._parser.should_keep_alive()

    def _take_head(self, status: int) -> bytes:
        """Return the head that llhttp has accepted, without the empty line."""
        heads = cast("bytes", self._heads)
        # llhttp ignores empty lines before a head.
        if not heads.startswith(b"HTTP/"):
            self._abort_parsing(BrokenResponseError("the response begins with an empty line"))
        # llhttp accepts neither folded fields nor other line ends, so this is where it stopped.
        end = heads.find(b"\r\n\r\n") + 2
        if end > MAX_HEAD_BYTES:
            self._abort_parsing(BrokenResponseError("the head of the response is too large"))
        # Heads of informational responses follow each other without bodies.
        self._heads = heads[end + 2 :] if status in _INFORMATIONAL else None
        return heads[:end]

    def _check_encodings(self, headers: Headers) -> None:
        if headers.count("transfer-encoding") > 1:
            self._abort_parsing(BrokenResponseError("two transfer codings"))
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self._abort_parsing(BrokenResponseError("unknown transfer coding"))
        if headers.get("content-encoding", "identity").lower() != "identity":
            self._discard_body("the Rooms service sent a compressed response, which is unsupported")

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body, up to the maximum size."""
        self._size += len(body)
        if self._size > self._max_body_bytes:
            self._discard_body(
                f"the Rooms service sent a response of more than {self._max_body_bytes} bytes"
            )
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Make a response of the message unless it is informational."""
        if self._status not in _INFORMATIONAL:
            self._response = RestResponse(self._status, self._headers, b"".join(self._body))
        # Otherwise an idle connection would hold the body.
        self._body = []

    def _ends_with_connection(self) -> bool:
        """Return whether the body in progress has no other end (RFC 9112, section 6.3)."""
        framed = any(map(self._headers.count, ("transfer-encoding", "content-length")))
        return self._heads is None and not framed and self._status not in _WITHOUT_BODY

    # --- ends of a round trip ---

    def _deliver(self, response: RestResponse, *, reusable: bool) -> None:
        # A response that precedes the end of the request makes the rest of the request useless.
        if not (reusable and self._persistent) or self._transport.get_write_buffer_size():
            self.close()
        waiter, self._waiter, self._response = self._waiter, None, None
        self._heads = b""
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def _time_out(self) -> None:
        # A response does not stop the timer, which saves one step per call.
        if self._waiter is not None:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        # The waiter stays set, so the connection is not usable.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()

    def _abort_parsing(self, error: Exception) -> Never:
        """Stop the parser with `error`, which is kept here: httptools replaces exceptions."""
        self._error = error
        raise error

    def _parser_error(self, error: Exception, data: bytes) -> BrokenResponseError:
        # A connection with a status has spoken HTTP before.
        if self._status == 0 and data.startswith(_TLS_ALERT):
            return BrokenResponseError(
                "the port speaks TLS; the endpoint must begin with https://",
                AttemptFailure.WRONG_PROTOCOL,
            )
        # The parser's texts are constants that repeat nothing of the response.
        return BrokenResponseError(str(error))

    def _discard_body(self, problem: str) -> Never:
        """Stop reading the body. An error status is still a response, without its body."""
        if self._status < HTTPStatus.BAD_REQUEST:
            self._abort_parsing(InvalidUpstreamResponseError(problem))
        self._response = RestResponse(self._status, self._headers, b"")
        self._abort_parsing(BrokenResponseError("the body was discarded"))

    def _limit_silence(self, received: int) -> None:
        """Limit bytes that are no part of a body (partial heads, trailers, chunk extensions)."""
        self._silent = self._silent + received if self._size == self._progress else 0
        self._progress = self._size
        if self._silent > MAX_HEAD_BYTES:
            self._fail(BrokenResponseError("the head of the response is too large"))
