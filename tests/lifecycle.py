"""Gateways that a test starts and stops itself, and how they say that they serve."""

from __future__ import annotations

from typing import Any

import grpc
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc

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
