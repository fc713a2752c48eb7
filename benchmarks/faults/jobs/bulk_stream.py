"""Items of a bulk job: the calls of all callers share one stream, as the items of one file do."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
from acs.rooms.v1 import bulk_rooms_pb2 as pb
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.participants_pb2 import Participant

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent
from benchmarks.faults.calls import Call, Kind
from benchmarks.faults.verdicts import OK

JOB = str(uuid.UUID(int=7, version=4))
"""Id of the job, also when it is sent again."""
CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class BulkStream:
    """The stream of one RPC; it ends when no item is left without a result, or when it fails.

    The next item opens another one.
    """

    def __init__(self, rpc: Any) -> None:
        self._rpc = rpc
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None

    async def result(self, call: Call) -> tuple[str, str, str]:
        """Send the item of `call`, and return code, reason and message of its result.

        The message of a success is the id of its room. Raises AioRpcError if the stream fails.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[call.key] = waiting
        self._items.put_nowait(_item(call))
        if self._running is None:
            self._running = asyncio.create_task(self._run(call, self._items))
        result = await waiting
        if result.HasField("error"):
            error = result.error
            return CODES[error.code], ErrorReason.Name(error.reason), error.message
        created = call.kind is Kind.BULK_CREATE
        return OK, "", result.response.room.id if created else call.room

    async def _run(self, first: Call, items: asyncio.Queue[Any]) -> None:
        metadata = ((TRACEPARENT, traceparent(first.trace)),)
        stream = self._rpc(_until_none(items), timeout=first.deadline, metadata=metadata)
        try:
            async for result in stream:
                self._waiting.pop(result.key).set_result(result)
                if not self._waiting:
                    self._end(items)
        except grpc.aio.AioRpcError as error:
            failed, self._waiting = self._waiting, {}
            self._end(items)
            for waiting in failed.values():
                waiting.set_exception(error)

    def _end(self, items: asyncio.Queue[Any]) -> None:
        # Items from now on belong to another stream.
        if self._items is items:
            self._items, self._running = asyncio.Queue(), None
            items.put_nowait(None)


async def _until_none(items: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    while (item := await items.get()) is not None:
        yield item


def _item(call: Call) -> Any:
    if call.kind is Kind.BULK_DELETE:
        delete = rooms_pb2.DeleteRoomRequest(room_id=call.room, allow_missing=True)
        return pb.BulkDeleteRoomsRequest(key=call.key, request=delete)
    participants = [Participant(raw_id=call.raw_id)]
    create = rooms_pb2.CreateRoomRequest(participants=participants)
    return pb.BulkCreateRoomsRequest(job_id=JOB, key=call.key, request=create)
