"""Reading lists of rooms and of participants, to their end or to a failure."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest, ListParticipantsResponse
from acs.rooms.v1.rooms_pb2 import ListRoomsRequest, ListRoomsResponse
from running import Failed, Running, collect, read_failure

QUERY = "api-version=2025-03-13"


async def pages(running: Running, token: str = "", max_pages: int = 0) -> list[ListRoomsResponse]:
    request = ListRoomsRequest(page_token=token, max_pages=max_pages)
    return await collect(running.rooms.ListRooms(request))


async def roster_pages(
    running: Running, room_id: str, token: str = "", max_pages: int = 0
) -> list[ListParticipantsResponse]:
    request = ListParticipantsRequest(room_id=room_id, page_token=token, max_pages=max_pages)
    return await collect(running.participants.ListParticipants(request))


async def until_failure(running: Running) -> tuple[list[ListRoomsResponse], Failed]:
    """Read the rooms to a failure that has to come; return what came before it, too."""
    seen = []
    try:
        async for page in running.rooms.ListRooms(ListRoomsRequest()):
            seen.append(page)  # noqa: PERF401 - what came before the failure counts
    except grpc.aio.AioRpcError as error:
        return seen, read_failure(error)
    pytest.fail("the list did not fail")


def ids(found: list[ListRoomsResponse]) -> list[str]:
    return [room.id for page in found for room in page.rooms]
