"""Reads the items of a bidirectional stream."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError, Message

from rooms_gateway.call import Call, Context
from rooms_gateway.errors import (
    InvalidRequestError,
    ShuttingDownError,
    StreamStalledError,
    Violation,
)
from rooms_gateway.server.calls.validation import validate
from rooms_gateway.services.bulk import Item, Items
from rooms_gateway.telemetry import logs


class ItemReader(Items[Any]):
    """The items of one call, in order, each with the rule of the contract that it breaks, if any.

    Iterating raises InvalidRequestError at malformed bytes, ShuttingDownError when `shutdown` is
    done, and StreamStalledError if the client sends nothing for `stall_timeout` seconds while all
    its items are answered.
    """

    def __init__(
        self,
        context: Context,
        call: Call,
        request_type: type[Message],
        stall_timeout: float,
        shutdown: asyncio.Future[None],
    ) -> None:
        self._context = context
        self._call = call
        self._request_type = request_type
        self._stall_timeout = stall_timeout
        self._shutdown = shutdown
        self._unanswered = 0

    def answered(self) -> None:
        """Record that the result of an item was sent."""
        self._unanswered -= 1

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item[Any]:
        data = await self._read()
        if data is grpc.aio.EOF:
            raise StopAsyncIteration
        try:
            request = self._request_type.FromString(data)
        except DecodeError:
            raise malformed(self._request_type) from None
        self._unanswered += 1
        try:
            validate(request)
        except InvalidRequestError as error:
            return Item(request, _within(error))
        logs.log_request(self._call.request_id, request)
        return Item(request, None)

    async def _read(self) -> Any:
        if self._shutdown.done():
            raise _shutting_down()
        # A task that is never cancelled: grpc would free the buffer into which it still reads.
        read = asyncio.ensure_future(self._context.read())
        read.add_done_callback(_retrieve)
        while True:
            await asyncio.wait(
                (read, self._shutdown),
                timeout=self._stall_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._shutdown.done():
                raise _shutting_down()
            if read.done():
                return read.result()
            if not self._unanswered:
                raise StreamStalledError(
                    f"the client has sent nothing for {self._stall_timeout:g} s; send the items "
                    "without a result again"
                )


def _within(error: InvalidRequestError) -> InvalidRequestError:
    """Name fields as in the request of an item, like the errors of its RPC."""
    return InvalidRequestError(
        *(
            Violation(each.field.removeprefix("request."), each.description)
            for each in error.violations
        )
    )


def malformed(request_type: type[Message]) -> InvalidRequestError:
    """Return the error for bytes that are no message of a type."""
    # Without the library's text, which may repeat the request.
    name = request_type.DESCRIPTOR.full_name
    text = f"the request is not a valid {name}: do client and gateway use the same proto?"
    return InvalidRequestError(Violation("", text))


def _shutting_down() -> ShuttingDownError:
    return ShuttingDownError(
        "the gateway shuts down: send the items without a result again, with the same job_id"
    )


def _retrieve(read: asyncio.Future[Any]) -> None:
    """Ignore the error of a read that the end of the call has ended."""
    if not read.cancelled():
        read.exception()
