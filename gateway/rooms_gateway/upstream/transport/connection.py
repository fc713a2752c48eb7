"""One HTTP/1.1 connection to the service: one request at a time, one answer for each.

The grammar (RFC 9112) is llhttp's, by way of httptools and without its leniencies; what a message
means, and whether the connection can be used again, is decided here. The only module that knows
httptools.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Never, cast

import httptools

from rooms_gateway.aio import ReusableTimer
from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.upstream.transport.messages import Headers, RestResponse

MAX_FIELDS = 128
"""Header fields of an answer, or its trailer fields."""

MAX_FIELD_BYTES = 16384
"""Bytes of one field; also how much may come in a row that says nothing yet."""

_INFORMATIONAL = range(100, 200)
_WITHOUT_BODY = frozenset({204, 304})

_NO_HEADERS = Headers({})


class BrokenResponseError(Exception):
    """There is no whole HTTP answer, and no more use for the connection."""


class Connection(asyncio.Protocol):
    """The protocol of one transport. Cancelling an exchange, or any failure, is its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_body_bytes: int) -> None:
        self._loop = loop
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[RestResponse] | None = None
        self._timer = ReusableTimer(loop, self._time_out)
        self._answer: RestResponse | None = None
        self._error: Exception | None = None
        self._fields: dict[bytes, bytes] = {}
        self._status = 0
        self._headers = _NO_HEADERS
        self._count = self._size = self._mute = 0
        self._progress = (0, 0)
        self._body: list[bytes] = []
        self._persistent = self._until_close = False
        self.opened_at = self.idle_since = loop.time()
        """By the loop's clock, as the pool keeps them."""
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the transport is gone."""

    async def round_trip(self, request: bytes, deadline: float) -> RestResponse:
        """Send a whole request, but no HEAD; return the answer to it. By the loop's clock.

        The transport takes all of it at once: it is in memory anyway, and there is no second one
        before the first is answered. Raises BrokenResponseError, InvalidUpstreamResponseError, TimeoutError.
        """
        self._waiter = self._loop.create_future()
        # Not asyncio.timeout, which costs as much as the rest of the exchange.
        self._timer.start(deadline)
        self._transport.write(request)
        return await self._waiter

    @property
    def usable(self) -> bool:
        """Whether it is open, and nothing is under way on it."""
        return self._waiter is None and not self._transport.is_closing()

    def close(self) -> None:
        """Close without waiting for anything; twice is once."""
        self._transport.abort()

    # --- what the transport tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer; bytes that nobody asked for are the end of the connection."""
        if self._waiter is None:
            self.close()
            return
        broken = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            broken = self._error or BrokenResponseError(type(error).__name__)
        if self._answer is not None:
            # What follows a whole answer cannot change it; it may come in a read of its own.
            self._deliver(self._answer, reusable=broken is None)
        elif broken is not None:
            self._fail(broken)
        else:
            self._limit_silence(len(data))

    def eof_received(self) -> None:
        """End an answer that ends with the connection, and the connection."""
        if self._until_close and self._waiter is not None:
            self.on_message_complete()
            self._deliver(cast("RestResponse", self._answer), reusable=False)
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange that is under way, if one is."""
        self._fail(BrokenResponseError("ConnectionClosed" if exc is None else type(exc).__name__))
        self._timer.close()
        # They hold our methods, and we hold them; what we hold stays until garbage is collected, as
        # we are also held by the frames of the errors that we keep.
        del self._parser, self._timer
        self._body = []
        self.lost.set_result(None)

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        """Forget the message before, which was informational unless it was the answer."""
        if self._answer is not None:
            self._refuse(BrokenResponseError("TwoAnswers"))
        self._fields, self._headers, self._body = {}, _NO_HEADERS, []
        self._count = self._size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the first field of a name; trailers are counted and not kept."""
        self._count += 1
        if self._count > MAX_FIELDS or len(name) + len(value) > MAX_FIELD_BYTES:
            self._refuse(BrokenResponseError("HeadTooLarge"))
        name = name.lower()
        if self._fields.setdefault(name, value) is not value and name == b"transfer-encoding":
            self._refuse(BrokenResponseError("TwoTransferCodings"))

    def on_headers_complete(self) -> None:
        """Decide how the body ends; RFC 9112, section 6.3."""
        self._status = status = self._parser.get_status_code()
        fields = self._fields
        # A new one, so that trailers do not get among the headers.
        self._headers, self._fields, self._count = Headers(fields), {}, 0
        if status < _INFORMATIONAL.start:
            self._refuse(BrokenResponseError("InvalidStatus"))
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.strip().lower() != b"chunked":
            self._refuse(BrokenResponseError("UnknownTransferCoding"))
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            self._do_without_body("the service sent an encoded answer that was not asked for")
        self._persistent = self._parser.should_keep_alive()
        self._until_close = (
            coding is None and b"content-length" not in fields and status not in _WITHOUT_BODY
        ) and status not in _INFORMATIONAL

    def on_body(self, body: bytes) -> None:
        """Collect the body, as much of it as is allowed."""
        self._size += len(body)
        if self._size > self._max_body_bytes:
            self._do_without_body(
                f"the service's answer is larger than {self._max_body_bytes} bytes"
            )
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Make the answer of the message, unless it only announces one."""
        if self._status not in _INFORMATIONAL:
            self._answer = RestResponse(self._status, self._headers, b"".join(self._body))
        # An idle connection would keep it for as long as it is idle.
        self._body = []

    # --- the ends of an exchange ---

    def _deliver(self, answer: RestResponse, *, reusable: bool) -> None:
        # An answer that came before all of the request was out: the rest is not worth sending.
        if not (reusable and self._persistent) or self._transport.get_write_buffer_size():
            self.close()
        waiter, self._waiter, self._answer = self._waiter, None, None
        self._until_close = False
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _time_out(self) -> None:
        # An answer does not stop the timer, which would be one more step on the way of every call.
        if self._waiter is not None:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        # The waiter stays: with it, the connection is not usable.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.close()

    def _refuse(self, error: Exception) -> Never:
        """End the parser's work; it does not hand on what its callbacks raise."""
        self._error = error
        raise error

    def _do_without_body(self, why: str) -> Never:
        """Leave out a body that is not read. The status of a refusal says enough; no other does."""
        if self._status < HTTPStatus.BAD_REQUEST:
            self._refuse(InvalidUpstreamResponseError(why))
        self._answer = RestResponse(self._status, self._headers, b"")
        self._refuse(BrokenResponseError("BodyLeftOut"))

    def _limit_silence(self, received: int) -> None:
        """Bound what the parser keeps or skips without a word: half a field, chunk extensions."""
        progress = (self._count, self._size)
        self._mute = self._mute + received if progress == self._progress else 0
        self._progress = progress
        if self._mute > MAX_FIELD_BYTES:
            self._fail(BrokenResponseError("HeadTooLarge"))
