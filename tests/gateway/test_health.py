"""The health of a gateway that is up, and of one that stops."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2
from lifecycle import NO_HURRY, NOT_SERVING, SERVING, health_of, status_of
from running import Running, settings, upstream_of
from scripted import scripted, silence

from gateway.app import Gateway
from gateway.emulator import Emulator

NAMES = ["", "acs.rooms.v1.RoomsService", "acs.rooms.v1.ParticipantsService"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_gateway_that_is_up_is_serving_as_a_whole_and_in_each_service(
    running: Running, name: str
) -> None:
    assert await status_of(running.channel, name) == SERVING


async def test_the_health_of_a_service_that_there_is_not_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, "acs.rooms.v1.NoSuchService")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_gateway_is_serving_whether_its_upstream_is_there_or_not() -> None:
    async with scripted(silence) as service:
        upstream = service.upstream
    async with (
        Gateway(settings(upstream)) as alone,
        grpc.aio.insecure_channel(alone.addresses[0]) as channel,
    ):
        assert await status_of(channel) == SERVING


@pytest.mark.parametrize("name", NAMES)
async def test_a_watcher_sees_serving_and_at_the_stop_not_serving(
    emulator: Emulator, name: str
) -> None:
    gateway = await Gateway(settings(upstream_of(emulator), drain_grace=NO_HURRY)).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        watch = aiter(health_of(channel).Watch(health_pb2.HealthCheckRequest(service=name)))
        assert (await anext(watch)).status == SERVING
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == NOT_SERVING
        await stop
