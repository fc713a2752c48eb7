"""The bound on the items of a bulk stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from acs.rooms.v1.bulk_rooms_pb2 import BulkDeleteRoomsRequest
from acs.rooms.v1.item_error_pb2 import ItemError
from acs.rooms.v1.rooms_pb2 import DeleteRoomRequest, DeleteRoomResponse

from rooms_gateway.call import Call
from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.bulk import ITEM_BYTES, ITEMS_PER_STREAM, MAX_REQUESTS, BulkJobs, Item

CALL = Call("id", float("inf"), idempotent=True)
JOBS = BulkJobs(lambda error, _: ItemError(message=str(error)))


class Source:
    """A client that always has a further item, and counts those that are read."""

    def __init__(self, count: int, error: Exception | None = None, size: int = 1) -> None:
        self.count = count
        self.room_id = "7" * size
        self.error = error
        self.read = self.sent = self.most = 0

    async def __aiter__(self) -> AsyncIterator[Item[BulkDeleteRoomsRequest]]:
        while self.read < self.count:
            self.read += 1
            self.most = max(self.most, self.read - self.sent)
            request = BulkDeleteRoomsRequest(
                key=str(self.read), request=DeleteRoomRequest(room_id=self.room_id)
            )
            yield Item(request, None)
        if self.error:
            raise self.error

    def answered(self) -> None:
        self.sent += 1


async def delete(_: DeleteRoomRequest, __: Call) -> DeleteRoomResponse:
    await asyncio.sleep(0)
    return DeleteRoomResponse()


async def test_a_hundred_thousand_items_are_never_held() -> None:
    """No more than ITEMS_PER_STREAM are read and without a result that was consumed."""
    source = Source(100_000)
    tasks = 0
    async for _ in JOBS.delete(source, CALL, delete):
        tasks = max(tasks, len(asyncio.all_tasks()))
    assert (source.read, source.sent, source.most) == (100_000, 100_000, ITEMS_PER_STREAM)
    assert tasks <= ITEMS_PER_STREAM + 2


async def test_without_a_reader_no_further_item_is_read() -> None:
    source = Source(1000)
    results = JOBS.delete(source, CALL, delete)
    await anext(results)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert source.read == ITEMS_PER_STREAM
    await results.aclose()
    assert source.read == ITEMS_PER_STREAM


@pytest.mark.proves("S14")
async def test_large_items_count_as_several() -> None:
    """At the limit of a request, only the next one is read before the results are."""
    for size, most in ((ITEM_BYTES // 2, ITEMS_PER_STREAM), (5 * ITEM_BYTES, 11), (384 * 1024, 2)):
        source = Source(100, size=size)
        async for _ in JOBS.delete(source, CALL, delete):
            pass
        assert source.most == most


async def test_results_come_as_they_finish() -> None:
    """An item that waits holds back no other."""
    release = asyncio.Event()

    async def work(_: DeleteRoomRequest, __: Call) -> DeleteRoomResponse:
        if not release.is_set() and started.pop() == 0:
            await release.wait()
        return DeleteRoomResponse()

    started = list(range(ITEMS_PER_STREAM))[::-1]
    results = JOBS.delete(Source(ITEMS_PER_STREAM), CALL, work)
    keys = [(await anext(results)).key for _ in range(ITEMS_PER_STREAM - 1)]
    assert "1" not in keys
    release.set()
    assert [result.key async for result in results] == ["1"]


async def test_the_end_of_the_items_follows_their_results() -> None:
    error = InvalidRequestError(Violation("", "malformed"))
    results = JOBS.delete(Source(5, error), CALL, delete)
    keys = [(await anext(results)).key for _ in range(5)]
    assert sorted(keys) == ["1", "2", "3", "4", "5"]
    with pytest.raises(InvalidRequestError):
        await anext(results)


async def test_all_streams_share_the_connections() -> None:
    running = most = 0

    async def work(_: DeleteRoomRequest, __: Call) -> DeleteRoomResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return DeleteRoomResponse()

    async def read(jobs: BulkJobs) -> int:
        return len([result async for result in jobs.delete(Source(300), CALL, work)])

    assert await asyncio.gather(*(read(JOBS) for _ in range(8))) == [300] * 8
    assert most == MAX_REQUESTS
