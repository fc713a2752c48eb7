"""Items of bulk jobs, and their results."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TypeVar

from acs.rooms.v1.bulk_rooms_pb2 import (
    BulkCreateRoomsRequest,
    BulkCreateRoomsResponse,
    BulkDeleteRoomsRequest,
    BulkDeleteRoomsResponse,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest

Result = TypeVar("Result", BulkCreateRoomsResponse, BulkDeleteRoomsResponse)


def creates(keys: Iterable[object], job_id: str = "") -> list[BulkCreateRoomsRequest]:
    """Return an item for each key; all name the job."""
    return [
        BulkCreateRoomsRequest(job_id=job_id, key=str(key), request=CreateRoomRequest())
        for key in keys
    ]


def deletes(
    room_ids: Iterable[str], *, allow_missing: bool = False
) -> list[BulkDeleteRoomsRequest]:
    """Return an item for each room, with its id as the key."""
    return [
        BulkDeleteRoomsRequest(
            request=DeleteRoomRequest(room_id=room_id, allow_missing=allow_missing)
        )
        for room_id in room_ids
    ]


async def by_key(results: AsyncIterable[Result]) -> dict[str, Result]:
    """Read a stream to its end, in which each key has one result."""
    found: dict[str, Result] = {}
    async for result in results:
        assert result.key not in found
        found[result.key] = result
    return found
