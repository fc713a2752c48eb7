"""Stalled readers of lists: they lose their slot, and their pages are released."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest, ListRoomsRequest
from support.gateways import (
    HANDLERS,
    UNKNOWN_ROOM,
    Running,
    collect,
    failure_of,
    gateway_for,
    read_failure,
    until,
)
from support.http2 import WINDOW_OF_0, unary_call

from rooms_emulator import Emulator, Fault

LIST = ListParticipantsRequest(room_id="994")
PAGES = 60
STALL_TIMEOUT = 0.3


@pytest.fixture
async def limited(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway with one stream slot and lists larger than all buffers."""
    for number in range(PAGES):
        link = (
            f"{emulator.endpoint}/rooms/994/participants?nextLink={number}&api-version=2025-03-13"
        )
        page = json.dumps({"value": [{"rawId": "x" * 1_000_000}], "nextLink": link})
        emulator.faults.add(Fault(operation="ListParticipants", status=200, body=page))
    async with gateway_for(emulator, max_streams=1, write_stall_timeout=STALL_TIMEOUT) as running:
        yield running


def tasks_of_lists(before: set[asyncio.Task[object]]) -> set[str]:
    names = {getattr(task.get_coro(), "__name__", "") for task in asyncio.all_tasks() - before}
    return names & (HANDLERS | {"fetch"})


async def rejected(running: Running) -> bool:
    """Return whether a list is rejected for lack of a slot, without reading it."""
    call = running.participants.ListParticipants(LIST)
    try:
        await call.read()
    except grpc.aio.AioRpcError:
        return True
    call.cancel()
    return False


async def test_stalled_reader_loses_its_slot(
    limited: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = asyncio.all_tasks()
    call = limited.participants.ListParticipants(LIST)
    await call.read()
    assert await rejected(limited)
    await until(lambda: not tasks_of_lists(before), 10)
    assert "code=ABORTED reason=ERROR_REASON_STREAM_STALLED" in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    count = limited.requests()
    assert not await rejected(limited)
    # Pages that were sent still arrive, and then the status.
    received = 1
    try:
        while await call.read() is not grpc.aio.EOF:
            received += 1
    except grpc.aio.AioRpcError as error:
        failed = read_failure(error)
    assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "ERROR_REASON_STREAM_STALLED")
    assert failed.message == "the client has read nothing for 0.3 s"
    assert 1 < received < count


@pytest.mark.proves("S14")
async def test_reader_with_window_0_loses_its_slot(
    limited: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    port = int(limited.gateway.addresses[0].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = "/acs.rooms.v1.ParticipantsService/ListParticipants"
    writer.write(unary_call(path, LIST, settings=WINDOW_OF_0))
    await until(lambda: limited.requests() > 0)
    await until(lambda: not tasks_of_lists(before), 10)
    # Other callers are unaffected.
    assert not await rejected(limited)
    failed = await failure_of(limited.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
    assert not reader.at_eof()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    writer.close()


async def test_cancelled_stalled_list_logs_no_error(
    limited: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The timeout of the stalled write ends with the call."""
    before = asyncio.all_tasks()
    call = limited.participants.ListParticipants(LIST)
    await call.read()
    # Long enough to fill the buffers, shorter than the timeout.
    await asyncio.sleep(STALL_TIMEOUT / 2)
    call.cancel()
    await until(lambda: not tasks_of_lists(before), 10)
    await asyncio.sleep(STALL_TIMEOUT * 1.5)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_slow_reader_keeps_its_slot(
    emulator: Emulator,
) -> None:
    emulator.store.seed(120)
    # The latency of the upstream does not count as a stall.
    emulator.faults.add(Fault(operation="ListRooms", latency=0.2, count=None))
    async with gateway_for(emulator, write_stall_timeout=0.1) as running:
        assert len(await collect(running.rooms.ListRooms(ListRoomsRequest()))) == 4
