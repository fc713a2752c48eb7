"""Readers of lists who do not read: they lose their place, and what was read for them is let go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest, ListRoomsRequest
from support.gateways import (
    UNKNOWN_ROOM,
    Running,
    collect,
    failure_of,
    gateway_before,
    read_failure,
    until,
)
from support.http2 import WINDOW_OF_0, unary_call

from rooms_emulator import Emulator, Fault

LIST = ListParticipantsRequest(room_id="994")
PAGES = 60
PATIENCE = 0.3


@pytest.fixture
async def impatient(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway for one list at a time, of pages so large that no buffer takes them all."""
    for number in range(PAGES):
        link = (
            f"{emulator.endpoint}/rooms/994/participants?nextLink={number}&api-version=2025-03-13"
        )
        page = json.dumps({"value": [{"rawId": "x" * 1_000_000}], "nextLink": link})
        emulator.faults.add(Fault(operation="ListParticipants", status=200, body=page))
    async with gateway_before(emulator, max_streams=1, write_stall_timeout=PATIENCE) as running:
        yield running


def tasks_of_lists(before: set[asyncio.Task[object]]) -> set[str]:
    names = {getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks() - before}
    return names & {"_handle_exceptions", "fetch"}


async def refused(running: Running) -> bool:
    """Tell whether a list has no place, without reading one."""
    call = running.participants.ListParticipants(LIST)
    try:
        await call.read()
    except grpc.aio.AioRpcError:
        return True
    call.cancel()
    return False


async def test_a_reader_that_stops_is_ended_with_a_status_and_makes_room(
    impatient: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = asyncio.all_tasks()
    call = impatient.participants.ListParticipants(LIST)
    await call.read()
    assert await refused(impatient)
    await until(lambda: not tasks_of_lists(before), 10)
    assert "code=ABORTED reason=READER_TOO_SLOW" in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    count = impatient.requests()
    assert not await refused(impatient)
    # What was on its way still comes, and then why there is no more.
    taken = 1
    try:
        while await call.read() is not grpc.aio.EOF:
            taken += 1
    except grpc.aio.AioRpcError as error:
        failed = read_failure(error)
    assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "READER_TOO_SLOW")
    assert failed.message == "the client has read nothing for 0.3 s"
    assert 1 < taken < count


@pytest.mark.proves("S14")
async def test_a_reader_that_never_takes_a_byte_makes_room_too(impatient: Running) -> None:
    before = asyncio.all_tasks()
    port = int(impatient.gateway.addresses[0].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = "/acs.rooms.v1.ParticipantsService/ListParticipants"
    writer.write(unary_call(path, LIST, settings=WINDOW_OF_0))
    await until(lambda: impatient.requests() > 0)
    await until(lambda: not tasks_of_lists(before), 10)
    # The other callers have not noticed.
    assert not await refused(impatient)
    failed = await failure_of(impatient.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert failed.reason == "ROOM_NOT_FOUND"
    assert not reader.at_eof()
    writer.close()


async def test_a_list_that_is_cancelled_while_nobody_reads_leaves_nothing_that_goes_off(
    impatient: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    call = impatient.participants.ListParticipants(LIST)
    await call.read()
    # Long enough for what fits into the buffers, and less than the gateway waits.
    await asyncio.sleep(PATIENCE / 2)
    call.cancel()
    await until(lambda: not tasks_of_lists(before), 10)
    await asyncio.sleep(PATIENCE * 1.5)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_reader_that_is_slow_but_reads_has_all_the_time_it_wants(
    emulator: Emulator,
) -> None:
    emulator.store.seed(120)
    # What a slow service costs is not the reader's fault.
    emulator.faults.add(Fault(operation="ListRooms", latency=0.2, count=None))
    async with gateway_before(emulator, write_stall_timeout=0.1) as running:
        assert len(await collect(running.rooms.ListRooms(ListRoomsRequest()))) == 4
