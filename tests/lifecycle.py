"""Gateways that a test starts and stops itself, and how they say that they serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from http2 import WINDOW_OF_0, unary_call

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

NO_HURRY = 60.0
"""A grace so long that a stop which waits for it fails the test."""


def health_of(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def status_of(channel: grpc.aio.Channel, name: str = "") -> int:
    answer = await health_of(channel).Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


async def create_through(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = rooms_pb2_grpc.RoomsServiceStub(channel)
        return (await stub.CreateRoom(CreateRoomRequest())).room.id


@asynccontextmanager
async def watcher_who_does_not_read(address: str) -> AsyncIterator[None]:
    """Watch the gateway as a whole, and take no answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    watch = "/grpc.health.v1.Health/Watch"
    writer.write(unary_call(watch, health_pb2.HealthCheckRequest(), settings=WINDOW_OF_0))
    # The answer's head comes; in a window of 0, which no client would offer, its message cannot.
    received = b""
    while b"application/grpc" not in received:
        received += await reader.read(1000)
    yield
    writer.close()
