"""Clients that hold watches, reflection streams or messages: each has a limit or a timeout."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from support.collectors import scrape
from support.gateways import Running, gateway_for, health_of, only_grpc, only_loop, until
from support.http2 import (
    WINDOW_OF_0,
    WINDOW_UPDATE,
    frame,
    unary_call,
)

from rooms_emulator import Emulator

WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
GET = "/acs.rooms.v1.RoomsService/GetRoom"
DESCRIBE = ServerReflectionRequest(file_containing_symbol="acs.rooms.v1.RoomsService")
STALL_TIMEOUT = 0.3


@pytest.fixture
async def impatient(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(
        emulator,
        admin_listen="127.0.0.1:0",
        write_stall_timeout=STALL_TIMEOUT,
        max_concurrent_calls=1,
        max_queued_calls=0,
    ) as running:
        yield running


async def value(running: Running, name: str) -> float:
    return (await scrape(running.gateway.admin_address)).value(name)


async def until_value(running: Running, name: str, expected: float) -> None:
    async with asyncio.timeout(30):
        while await value(running, name) != expected:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def unread(
    running: Running, path: str, request: Message
) -> AsyncIterator[Callable[[], None]]:
    """Make a call with a window of 0; yield what opens the window."""
    host, _, port = running.gateway.addresses[0].rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(unary_call(path, request, settings=WINDOW_OF_0))
    opened = frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 2**20))
    with closing(writer):
        yield lambda: writer.write(opened)


async def code_of(stream: Any) -> tuple[grpc.StatusCode, str]:
    """Read a stream to its end; return its status."""
    try:
        async for _ in stream:
            pass
    except grpc.aio.AioRpcError:
        pass
    return await stream.code(), await stream.details()


def reflect(running: Running) -> Any:
    method: Any = running.channel.stream_stream(
        REFLECT, request_serializer=ServerReflectionRequest.SerializeToString
    )
    return method()


@pytest.mark.proves("S77")
async def test_idle_reflection_stream_ends(impatient: Running) -> None:
    stream = reflect(impatient)
    await stream.write(DESCRIBE)
    assert await code_of(stream) == (grpc.StatusCode.ABORTED, "the stream was idle for too long")
    await until_value(impatient, "rooms_gateway_reflection_streams", 0)


@only_loop
@pytest.mark.proves("S77")
async def test_unread_reflection_ends(impatient: Running) -> None:
    """Its response is dropped, and its slot is free, while the client stays connected."""
    async with AsyncExitStack() as clients:
        for _ in range(30):
            await clients.enter_async_context(unread(impatient, REFLECT, DESCRIBE))
        await until_value(impatient, "rooms_gateway_reflection_streams", 0)
        stream = reflect(impatient)
        await stream.write(DESCRIBE)
        assert await stream.read()
        stream.cancel()


@only_grpc
@pytest.mark.proves("S77")
async def test_unread_reflection_keeps_its_slot(impatient: Running) -> None:
    """Its response stays in grpc: a client gets no further ones by waiting for the timeout."""
    async with AsyncExitStack() as clients, asyncio.timeout(60):
        # A request that arrives after the timeout ends its stream, which another one replaces.
        while await value(impatient, "rooms_gateway_reflection_streams") < 10:
            await clients.enter_async_context(unread(impatient, REFLECT, DESCRIBE))
        await asyncio.sleep(2 * STALL_TIMEOUT)
        assert await code_of(reflect(impatient)) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the caller is at its limit of 10 concurrent reflection streams",
        )
    await until_value(impatient, "rooms_gateway_reflection_streams", 0)


@pytest.mark.proves("S78")
async def test_watches_of_a_host_are_limited(impatient: Running) -> None:
    async with grpc.aio.insecure_channel(
        impatient.gateway.addresses[0], [("grpc.use_local_subchannel_pool", 1)]
    ) as other:
        watches = [health_of(impatient.channel).Watch(HealthCheckRequest()) for _ in range(99)] + [
            health_of(other).Watch(HealthCheckRequest())
        ]
        for watch in watches:
            await watch.read()
        assert await value(impatient, "rooms_gateway_health_watches") == 100
        assert await code_of(health_of(other).Watch(HealthCheckRequest())) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the caller is at its limit of 100 concurrent health watches",
        )
        watches[0].cancel()
        await until_value(impatient, "rooms_gateway_health_watches", 99)
        assert await health_of(other).Watch(HealthCheckRequest()).read()


@pytest.mark.proves("S14")
async def test_unread_response_keeps_the_slot(emulator: Emulator) -> None:
    """It is free when the client has read the response."""
    [room] = emulator.store.seed(1)
    request = GetRoomRequest(room_id=room)
    async with (
        gateway_for(emulator, max_concurrent_calls=1, max_queued_calls=0) as running,
        unread(running, GET, request) as read,
    ):
        await until(lambda: running.requests() == 1)
        call = running.rooms.GetRoom(request)
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        read()
        async with asyncio.timeout(30):
            while await running.rooms.GetRoom(request).code() is not grpc.StatusCode.OK:
                pass


@pytest.mark.proves("S14")
async def test_unread_response_loses_its_slot(impatient: Running) -> None:
    """The metric counts it until the client disconnects."""
    [room] = impatient.emulator.store.seed(1)
    request = GetRoomRequest(room_id=room)
    async with unread(impatient, GET, request):
        await until_value(impatient, "rooms_gateway_unread_responses", 1)
        async with asyncio.timeout(30):
            while await impatient.rooms.GetRoom(request).code() is not grpc.StatusCode.OK:
                await asyncio.sleep(0.01)
        # A response counts until the server has handled that it was read.
        await until_value(impatient, "rooms_gateway_unread_responses", 1)
    await until_value(impatient, "rooms_gateway_unread_responses", 0)
