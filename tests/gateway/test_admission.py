"""How many calls and how large ones a gateway takes on, and what it says to the others."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RetryInfo
from grpc._cython import cygrpc  # type: ignore[attr-defined] # not in the stubs
from lifecycle import SERVING, status_of
from outcomes import OVERLOADED
from running import UNKNOWN_ROOM, Running, failure_of, gateway_before, send, until

import gateway
from gateway.emulator import Emulator, Fault
from gateway.listen import SERVER_OPTIONS


async def test_more_calls_than_the_gateway_takes_on_are_told_to_come_again(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", latency=0.3))
    async with gateway_before(emulator, max_concurrent_calls=1) as running:
        first = asyncio.ensure_future(send(running, CreateRoomRequest()))
        await until(lambda: running.requests() == 1)
        failed = await failure_of(send(running, CreateRoomRequest()))
        assert (failed.code, failed.reason) == OVERLOADED
        assert failed.detail(RetryInfo) is not None
        await first
        await send(running, CreateRoomRequest())
    assert sum(entry.operation == "CreateRoom" for entry in emulator.journal) == 2


async def test_calls_above_the_limit_are_refused_and_health_still_answers(
    emulator: Emulator,
) -> None:
    [room] = emulator.store.seed(1)
    request = GetRoomRequest(room_id=room)
    emulator.faults.add(Fault(latency=1.0, count=2))
    async with gateway_before(emulator, max_concurrent_calls=2) as running:
        calls = [asyncio.ensure_future(running.rooms.GetRoom(request).code()) for _ in range(2)]
        await until(lambda: running.requests() == 2)
        failed = await failure_of(running.rooms.GetRoom(request))
        assert (failed.code, failed.reason) == OVERLOADED
        assert failed.metadata["attempts"] == "0"
        assert failed.detail(RetryInfo) is not None
        assert await status_of(running.channel) == SERVING
        assert running.requests() == 2
        assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}
        assert (await running.rooms.GetRoom(request)).room.id == room


async def test_a_refused_or_failed_call_frees_its_place(emulator: Emulator) -> None:
    async with gateway_before(emulator, max_concurrent_calls=1) as running:
        for _ in range(3):
            failed = await failure_of(running.rooms.GetRoom(GetRoomRequest()))
            assert failed.reason == "REQUEST_INVALID"
            failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
            assert failed.reason == "ROOM_NOT_FOUND"


async def test_a_request_larger_than_a_mebibyte_is_refused_before_it_is_read(
    running: Running,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.GetRoom(GetRoomRequest(room_id="x" * (1 << 20)))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.requests() == 0


def test_every_option_of_grpc_that_we_set_is_one_that_grpc_knows() -> None:
    # A wrong name is ignored without a word.
    library = Path(cygrpc.__file__).read_bytes()
    sources = Path(gateway.__file__).parent.rglob("*.py")
    names = {
        name for source in sources for name in re.findall(r'\("(grpc\.[\w.]+)"', source.read_text())
    }
    assert {name for name, _ in SERVER_OPTIONS} <= names
    assert "grpc.max_receive_message_length" in names
    assert [name for name in names if f"{name}\0".encode() not in library] == []
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms\0" not in library
