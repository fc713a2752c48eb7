"""One gRPC call: its request, its handler, its response."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, NoReturn

import grpc

from rooms_gateway.grpc_server import headers
from rooms_gateway.grpc_server.context import CallContext
from rooms_gateway.grpc_server.headers import Request
from rooms_gateway.grpc_server.http2.connection import Connection
from rooms_gateway.grpc_server.http2.frames import DEFAULT_WINDOW, ErrorCode
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.limits import Budget, Limits
from rooms_gateway.grpc_server.messages import (
    Compressed,
    MessageError,
    MessageReader,
    frame_message,
)
from rooms_gateway.grpc_server.methods import Method

_GRANT_AT_ONCE = 16_384
"""Bytes by which the window of a stream is widened at least."""

_WEIGHT = 2048
"""Bytes of memory that a call takes without its metadata and messages."""
_FIELD_WEIGHT = 150
"""And each field of its metadata, without its characters."""

_OK = grpc.StatusCode.OK
_INTERNAL = grpc.StatusCode.INTERNAL

logger = logging.getLogger(__name__)


class Call(CallContext):
    """A call: the receiver of its stream, and the context of its handler."""

    __slots__ = (
        "_began",
        "_budget",
        "_connection",
        "_expiry",
        "_initial",
        "_length",
        "_limits",
        "_messages",
        "_method",
        "_only",
        "_output",
        "_reader",
        "_reading",
        "_started",
        "_stream",
        "_task",
        "_unconsumed",
        "_unsent",
        "_weight",
        "_writing",
    )

    def __init__(
        self,
        connection: Connection,
        stream: Stream,
        method: Method,
        request: Request,
        size: int,
        limits: Limits,
        budget: Budget,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Receive the request; a handler that reads several messages starts at once.

        `size` is that of the header list.
        """
        super().__init__(loop, connection.peer, request.metadata, request.timeout)
        self._connection = connection
        self._output = connection.output
        self._stream = stream
        self._method = method
        self._limits = limits
        self._budget = budget
        self._length = request.length
        """The bytes that are missing of the content-length."""
        self._reader = MessageReader(request.encoding, limits.max_message)
        self._messages: deque[bytes] | None = deque() if method.streams_requests else None
        """Messages that the handler has not read."""
        self._only: bytes | None = None
        """The message of a unary request that has not ended."""
        self._unconsumed = 0
        """Bytes of both."""
        self._unsent = 0
        """Bytes of a response message that waits for flow control."""
        self._weight = 0
        """Bytes that the call takes in addition, unless a handler runs: admission bounds those."""
        self._began = stream.since
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._initial: bytes | None = headers.INITIAL
        """The header block that begins the response, until it is sent."""
        self._expiry: asyncio.TimerHandle | None = None
        if self._deadline is not None:
            self._expiry = loop.call_at(self._deadline, self._expire)
        stream.receiver = self
        if self._messages is None:
            self._weight = _WEIGHT + size + _FIELD_WEIGHT * len(request.metadata)
            budget.hold(self, self._weight)
        else:
            self._run(None)

    # --- of the stream ----------------------------------------------------------------------------

    def receive(self, data: bytes, *, end: bool) -> None:
        """Take bytes of the request; run the handler of a unary request when it is complete."""
        if self._length is not None:
            self._length -= len(data)
            if self._length < 0 or (end and self._length):
                self._connection.streams.reset(self._stream.number, ErrorCode.PROTOCOL_ERROR)
                return
        try:
            found = self._reader.add(data)
            if end and len(self._reader):
                raise MessageError(grpc.StatusCode.INTERNAL, "the last message is incomplete")
            if self._messages is None:
                self._receive_only(found, end=end)
            else:
                self._receive_some(self._messages, found)
        except MessageError as error:
            self._fail(error.code, str(error))

    def _receive_only(self, found: list[bytes], *, end: bool) -> None:
        if len(found) > (self._only is None):
            raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "more than one request message")
        if found:
            self._only = found[0]
            self._unconsumed = len(self._only)
        if not end:
            self._await_message()
        elif self._only is None:
            raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "there is no request message")
        else:
            self._unconsumed = self._weight = 0
            self._budget.hold(self, 0)
            only, self._only = self._only, None
            self._run(only)

    def _receive_some(self, messages: deque[bytes], found: list[bytes]) -> None:
        messages.extend(found)
        self._unconsumed += sum(map(len, found))
        if found:
            self._began = self._stream.since
        self._await_message()
        if self._reading is not None and (messages or not self._stream.receiving):
            _wake(self._reading)

    def _hold(self) -> None:
        """Count the bytes that wait for the client."""
        if self._ended:
            return
        held = self._weight + len(self._reader) + self._unconsumed + self._unsent
        self._budget.hold(self, held)

    def _await_message(self) -> None:
        """Let the client complete the message in progress."""
        self._hold()
        if not self._ended:
            missing = min(self._reader.missing, self._limits.max_message)
            self._connection.streams.grant(self._stream, missing - self._stream.receive_window)

    def sent(self) -> None:
        """Let the handler write more; or end the call, if its status was sent."""
        if self._status_sent and not self._stream.open:
            self._end()
        elif self._writing is not None:
            _wake(self._writing)

    def cancel(self) -> None:
        """Cancel the handler: no client receives its response."""
        if not self._ended:
            self._end()
            self._cancel_handler()

    def expire(self, now: float) -> None:
        """End the call if its request is not complete in time."""
        waits = len(self._reader) or (self._messages is None and self._task is None)
        if waits and now - self._began > self._limits.message_timeout:
            self._fail(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"the request did not arrive within {self._limits.message_timeout:g} s",
            )

    def evict(self) -> None:
        """End the call: others need the memory that it takes."""
        self._fail(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the server has no memory for unfinished requests and unread responses",
        )

    def abandon(self, reason: str) -> None:
        """End the call because the server stops."""
        self._fail(grpc.StatusCode.UNAVAILABLE, reason)

    def _expire(self) -> None:
        self._fail(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def _fail(self, code: grpc.StatusCode, text: str) -> None:
        """Send a status on behalf of the server, and cancel the handler."""
        if self._ended:
            return
        if self._status_sent:
            # It waits for the client to read what precedes it.
            self._connection.streams.reset(self._stream.number, ErrorCode.CANCEL)
        else:
            self._output.drop_unsent(self._stream)
            self._send_status(code, text)
            self._end()
            self._cancel_handler()

    # --- the handler ------------------------------------------------------------------------------

    def _run(self, request: bytes | None) -> None:
        self._connection.handlers += 1
        self._task = self._loop.create_task(self._serve(request))

    def _cancel_handler(self) -> None:
        if self._task is not None:
            self._task.cancel()
            if not self._started:
                # Its coroutine will never run.
                self._started = True
                self._connection.handlers -= 1

    async def _serve(self, data: bytes | None) -> None:
        """Run the handler, and send its status in any case."""
        self._started = True
        try:
            await self._call_behavior(self._requests() if data is None else self._parse(data))
        except grpc.aio.AbortError:
            # Its status is sent.
            pass
        except asyncio.CancelledError:
            self._send_status(grpc.StatusCode.CANCELLED, "the handler was cancelled")
            raise
        except MessageError as error:
            self._send_status(error.code, str(error))
        except Exception as error:
            if not self._ended:
                logger.exception("a handler failed")
            text = f"Unexpected {type(error)}: {error}"
            self._send_status(grpc.StatusCode.UNKNOWN, text)
        finally:
            self._connection.handlers -= 1

    async def _call_behavior(self, request: Any) -> None:
        method = self._method
        if not method.streams_responses:
            self._respond(await method.behavior(request, self))
            return
        if method.yields:
            async with aclosing(method.behavior(request, self)) as messages:
                async for message in messages:
                    await self.write(message)
        else:
            await method.behavior(request, self)
        self._send_status(self._code or grpc.StatusCode.OK, self._details)

    def _parse(self, data: bytes) -> Any:
        if type(data) is Compressed:
            data = self._reader.decompress(data)
        deserialize = self._method.deserialize
        if deserialize is None:
            return data
        try:
            return deserialize(data)
        except Exception:  # noqa: BLE001 - the errors of a deserializer are its library's
            raise MessageError(_INTERNAL, "a request message cannot be parsed") from None

    def _respond(self, response: Any) -> None:
        """Send the response of a unary call, with its status."""
        if self._ended or self._status_sent:
            return
        if self._code not in (None, grpc.StatusCode.OK):
            self._send_status(self._code, self._details)
            return
        serialize = self._method.serialize
        body = response if serialize is None else serialize(response)
        trailers = headers.OK
        if self._details or self._trailing:
            trailers = headers.encode_status(grpc.StatusCode.OK, self._details)
            trailers += headers.encode_metadata(self._trailing)
        self._status_sent = True
        head, self._initial = self._initial, None
        if head is None:
            self._output.send_data(self._stream, frame_message(body))
            sent = self._output.end(self._stream, trailers)
        else:
            sent = self._output.respond(self._stream, head, frame_message(body), trailers)
        if sent:
            self._end()
        else:
            self._metadata = ()
            self._weight = _WEIGHT + len(body)
            self._hold()

    def _send_status(self, code: grpc.StatusCode | None, details: str) -> None:
        """End the response, if it has not ended."""
        if self._ended or self._status_sent:
            return
        self._status_sent = True
        self._code, self._details = code or grpc.StatusCode.OK, details
        block = headers.encode_status(self._code, details)
        block += headers.encode_metadata(self._trailing)
        if self._initial is not None:
            block, self._initial = self._initial + block, None
        if self._code is not _OK and self._stream.receiving:
            self._connection.streams.fail(self._stream, block)
            self._end()
        elif self._output.end(self._stream, block):
            self._end()

    def _end(self) -> None:
        """Release what the call holds, and report its end."""
        if self._ended:
            return
        self._ended = True
        if self._expiry is not None:
            self._expiry.cancel()
        if self in self._budget.holders:
            self._budget.hold(self, 0)
        for waiter in (self._reading, self._writing):
            if waiter is not None:
                _wake(waiter)
        if self._callbacks is not None:
            for callback in self._callbacks:
                callback(self)

    # --- what handlers use ------------------------------------------------------------------------

    async def _requests(self) -> AsyncIterator[Any]:
        while True:
            message = await self.read()
            if message is grpc.aio.EOF:
                return
            yield message

    async def read(self) -> Any:
        """Return the next request message; `grpc.aio.EOF` after the last.

        Raises grpc.aio.InternalError if the call has ended.
        """
        messages = self._messages
        if messages is None:
            raise grpc.aio.UsageError("a unary request cannot be read")
        while not messages:
            if self._ended:
                raise grpc.aio.InternalError("the call has ended")
            if not self._stream.receiving:
                return grpc.aio.EOF
            self._reading = self._loop.create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        message = messages.popleft()
        self._unconsumed -= len(message)
        if not self._ended:
            self._hold()
            self._grant_consumed()
        try:
            return self._parse(message)
        except MessageError as error:
            self._fail(error.code, str(error))
            raise grpc.aio.InternalError("the call has ended") from None

    def _grant_consumed(self) -> None:
        """Keep the window at its initial size, less what waits for the handler."""
        wanted = DEFAULT_WINDOW - self._unconsumed - len(self._reader)
        missing = wanted - self._stream.receive_window
        if missing >= _GRANT_AT_ONCE:
            self._connection.streams.grant(self._stream, missing)

    async def write(self, message: Any) -> None:
        """Send a response message; return when the client's flow control has allowed all of it.

        Raises grpc.aio.InternalError if the call has ended.
        """
        if self._ended or self._status_sent:
            raise grpc.aio.InternalError("the call has ended")
        serialize = self._method.serialize
        body = message if serialize is None else serialize(message)
        self._send_initial()
        if not self._output.send_data(self._stream, frame_message(body)):
            self._writing = self._loop.create_future()
            self._unsent = len(body)
            self._hold()
            try:
                await self._writing
            finally:
                self._writing, self._unsent = None, 0
                self._hold()
            if self._ended:
                raise grpc.aio.InternalError("the call has ended")

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Send the header fields that begin the response."""
        if self._initial is None:
            raise grpc.aio.UsageError("initial metadata was sent already")
        self._initial += headers.encode_metadata(initial_metadata or ())
        self._send_initial()

    def _send_initial(self) -> None:
        if self._initial is not None and not self._ended:
            self._output.send_headers(self._stream, self._initial)
            self._initial = None

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        """End the call with a status; what the client has not read is dropped."""
        if trailing_metadata:
            self._trailing = tuple(trailing_metadata)
        if not (self._ended or self._status_sent):
            self._output.drop_unsent(self._stream)
            self._send_status(code, details)
        raise grpc.aio.AbortError

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """End the call with `status`."""
        await self.abort(status.code, status.details, status.trailing_metadata)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
