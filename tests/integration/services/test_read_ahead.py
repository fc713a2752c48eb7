"""Read-ahead of lists: its limit, and its end."""

from __future__ import annotations

import asyncio
import json

from acs.rooms.v1.participants_pb2 import ListParticipantsRequest
from acs.rooms.v1.rooms_pb2 import ListRoomsRequest
from support.gateways import HANDLERS, Running, until, upstream_of
from support.rosters import QUERY

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.call import Call
from rooms_gateway.upstream.credentials import make_credential
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import API_VERSIONS


async def test_read_ahead_is_one_page(emulator: Emulator) -> None:
    emulator.store.seed(150)
    upstream = upstream_of(emulator)
    http = HttpClient(
        upstream.endpoint, user_agent="t", max_connections=4, max_response_bytes=1_000_000
    )
    async with http:
        transport = Sender(
            http, upstream.endpoint, make_credential(upstream.credential, upstream.endpoint)
        )
        api = RoomsApi(transport, upstream.endpoint, API_VERSIONS["2025-03-13"])
        reading = api.list_rooms(None, 0, Call("id", float("inf"), idempotent=True))
        for number in range(1, 5):
            await anext(reading)
            await until(lambda number=number: len(emulator.journal) >= number + 1)  # type: ignore[misc] # a lambda's default
            await asyncio.sleep(0.02)
            assert len(emulator.journal) == number + 1
        assert [len((await anext(reading)).items), len(emulator.journal)] == [30, 5]
        await reading.aclose()


def wide_page(emulator: Emulator, number: int, size: int) -> str:
    """Make a page of one participant with a name of `size` characters, and a link to the next."""
    link = f"{emulator.endpoint}/rooms/994/participants?nextLink={number}&{QUERY}"
    return json.dumps({"value": [{"rawId": "x" * size}], "nextLink": link})


async def test_a_stalled_reader_stops_the_read_ahead(running: Running) -> None:
    """Without a reader, the gateway fetches no more than the 8 MiB of HTTP/2's buffers."""
    before = asyncio.all_tasks()
    for number in range(60):
        running.emulator.faults.add(
            Fault(
                operation="ListParticipants",
                status=200,
                body=wide_page(running.emulator, number, 1_000_000),
            )
        )
    call = running.participants.ListParticipants(ListParticipantsRequest(room_id="994"))
    await call.read()
    count, unchanged = 0, 0
    while unchanged < 5:
        await asyncio.sleep(0.1)
        unchanged = unchanged + 1 if count == running.requests() else 0
        count = running.requests()
    assert count <= 20
    call.cancel()
    await until(lambda: not OF_A_LIST & names_of(asyncio.all_tasks() - before), 20)
    assert running.requests() == count


async def test_a_cancelled_list_stops_its_tasks(
    running: Running,
) -> None:
    """It sends no further request."""
    running.emulator.store.seed(150)
    before = asyncio.all_tasks()
    running.emulator.faults.add(Fault(operation="ListRooms", skip=2, latency=30))
    call = running.rooms.ListRooms(ListRoomsRequest())
    await call.read()
    await until(lambda: running.requests("ListRooms") == 3)
    assert "fetch" in names_of(asyncio.all_tasks() - before)
    call.cancel()
    await until(lambda: not OF_A_LIST & names_of(asyncio.all_tasks() - before), 20)
    await asyncio.sleep(0.05)
    assert running.requests("ListRooms") == 3


OF_A_LIST = HANDLERS | {"fetch"}
"""Tasks of an active list: the server's task of the handler, and the read-ahead."""


def names_of(tasks: set[asyncio.Task[object]]) -> set[str]:
    return {getattr(task.get_coro(), "__name__", "") for task in tasks}
