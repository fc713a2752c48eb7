"""Bulk jobs: streams of items, each with the result of its unary RPC."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from acs.rooms.v1 import bulk_rooms_pb2 as pb
from acs.rooms.v1 import rooms_pb2
from google.protobuf.message import Message

from rooms_gateway.aio import cancel_and_wait
from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, InvalidRequestError, Violation
from rooms_gateway.services.convert.dry_run import describe
from rooms_gateway.services.convert.error_targets import FieldLocator, ItemErrors
from rooms_gateway.upstream.rooms_api import DryRunError

ITEMS_PER_STREAM = 64
"""Items of a stream that were read, and have no result that was sent.

At 80 ms per request, 8 items use a quota of 100 requests per second. The others must outnumber
those that a rejection holds back for a second, or too few requests are left to learn the rate from:
1,000 creates took 9.5 to 14.7 s with 32 items, 9.1 to 9.5 s with 64, 9.2 to 10.1 s with 128."""

ITEM_BYTES = 8192
"""Size above which an item counts as several: all items of a stream have a MiB at most."""

MAX_REQUESTS = 2 * ITEMS_PER_STREAM
"""Items of all streams with a REST request, each of which needs a connection to the upstream."""

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", pb.BulkCreateRoomsResponse, pb.BulkDeleteRoomsResponse)
B = TypeVar("B")

logger = logging.getLogger(__name__)


class Item(NamedTuple, Generic[RequestT]):
    """A message of a stream."""

    request: RequestT
    error: InvalidRequestError | None
    """The rule of the contract that it breaks; None if it is valid."""


class Items(AsyncIterable[Item[RequestT]], Protocol[RequestT]):
    """The messages of a stream, in order."""

    def answered(self) -> None:
        """Record that the result of an item was sent."""
        ...


class BulkJobs:
    """Processes the items of streams, with the handlers of the unary RPCs."""

    def __init__(self, to_item_error: ItemErrors) -> None:
        """`to_item_error` converts an error, replacing the identifiers in its text."""
        self._to_item_error = to_item_error
        self._free = asyncio.Semaphore(MAX_REQUESTS)

    def create(
        self,
        items: Items[pb.BulkCreateRoomsRequest],
        call: Call,
        create: Callable[
            [rooms_pb2.CreateRoomRequest, Call], Awaitable[rooms_pb2.CreateRoomResponse]
        ],
    ) -> AsyncGenerator[pb.BulkCreateRoomsResponse, None]:
        """Yield the results of `create` as they finish."""
        job = _Job()

        def process(
            item: Item[pb.BulkCreateRoomsRequest],
        ) -> Coroutine[Any, Any, pb.BulkCreateRoomsResponse]:
            message = item.request
            wrong_job = job.check(message)
            response = pb.BulkCreateRoomsResponse(key=message.key)
            return self._result(response, message.request, item.error or wrong_job, call, create)

        return _as_they_finish(items, process)

    def delete(
        self,
        items: Items[pb.BulkDeleteRoomsRequest],
        call: Call,
        delete: Callable[
            [rooms_pb2.DeleteRoomRequest, Call], Awaitable[rooms_pb2.DeleteRoomResponse]
        ],
    ) -> AsyncGenerator[pb.BulkDeleteRoomsResponse, None]:
        """Yield the results of `delete` as they finish."""

        def process(
            item: Item[pb.BulkDeleteRoomsRequest],
        ) -> Coroutine[Any, Any, pb.BulkDeleteRoomsResponse]:
            message = item.request
            response = pb.BulkDeleteRoomsResponse(key=message.key or message.request.room_id)
            return self._result(response, message.request, item.error, call, delete)

        return _as_they_finish(items, process)

    async def _result(
        self,
        response: ResponseT,
        request: Any,
        error: Exception | None,
        stream: Call,
        handler: Callable[[Any, Call], Awaitable[Any]],
    ) -> ResponseT:
        """Process one item of `stream`; an `error` that it has already is its result."""
        call = Call(
            stream.request_id,
            stream.deadline,
            stream.idempotent,
            caller=stream.caller,
            queue_key=stream.queue_key,
            resource=stream.resource,
            bulk=True,
            patient=True,
            dry_run=request.HasField("dry_run"),
            trace=stream.trace,
        )

        async def attempt(request: Any, call: Call) -> Any:
            if error is not None:
                raise error
            async with self._free:
                return await handler(request, call)

        try:
            response.response.MergeFrom(await stream.audit.item(attempt, request, call))
            # The response of a delete has no fields.
            response.response.SetInParent()
        except DryRunError as stopped:
            shown = describe(stopped.request, request.dry_run, call.applied_settings)
            response.response.rest_request.CopyFrom(shown)
        except Exception as failure:
            if not isinstance(failure, GatewayError):
                logger.exception("request_id=%s an item failed", call.request_id)
            response.error.CopyFrom(self._to_item_error(failure, FieldLocator(request)))
        stream.attempts += call.attempts
        stream.upstream_request_id = call.upstream_request_id or stream.upstream_request_id
        return response


class _Job:
    """The job id of a stream: that of its first message."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._namespace: uuid.UUID | None = None

    def check(self, message: pb.BulkCreateRoomsRequest) -> InvalidRequestError | None:
        """Set an empty `request_id` of the next message; return an error if its job is wrong."""
        if self._id is None:
            self._id = message.job_id
            self._namespace = _uuid(self._id)
        elif message.job_id not in ("", self._id):
            return _wrong_job("must be empty or equal to that of the first message")
        if self._namespace is not None:
            if not message.request.request_id:
                message.request.request_id = str(uuid.uuid5(self._namespace, message.key))
        elif self._id:
            # Its client believes that the job is repeatable.
            return _wrong_job("that of the first message must be a UUID")
        return None


def _uuid(text: str) -> uuid.UUID | None:
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    # Without the other forms that Python accepts.
    return found if str(found) == text.lower() else None


def _wrong_job(rule: str) -> InvalidRequestError:
    return InvalidRequestError(Violation("job_id", rule))


async def _as_they_finish(
    items: Items[RequestT], process: Callable[[Item[RequestT]], Coroutine[Any, Any, B]]
) -> AsyncGenerator[B, None]:
    """Yield what `process` returns for each of `items`, in the order in which they finish.

    Reads no further while ITEMS_PER_STREAM items are unfinished or have a result that was not
    consumed; a large item counts as several. The error that ends `items` is raised after the last
    result.
    """
    free, freed = ITEMS_PER_STREAM, asyncio.Event()
    finished: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    unfinished: dict[asyncio.Task[B], int] = {}

    def end(task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            # Retrieved here, because a consumer that stops early never does.
            task.exception()
        finished.put_nowait(task)

    async def read() -> None:
        nonlocal free
        async for item in items:
            weight = 1 + item.request.ByteSize() // ITEM_BYTES
            free -= weight
            task = asyncio.create_task(process(item))
            unfinished[task] = weight
            task.add_done_callback(end)
            while free <= 0:
                freed.clear()
                await freed.wait()

    reading = asyncio.create_task(read())
    reading.add_done_callback(end)
    try:
        while unfinished or not reading.done():
            task = await finished.get()
            if task is not reading:
                weight = unfinished.pop(task)
                yield task.result()
                items.answered()
                free += weight
                freed.set()
        reading.result()
    finally:
        await cancel_and_wait(reading, *unfinished)
