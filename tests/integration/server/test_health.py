"""Health while serving and during shutdown."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2
from support.gateways import (
    NO_HURRY,
    NOT_SERVING,
    SERVING,
    Running,
    health_of,
    settings,
    status_of,
    upstream_of,
    watcher_who_does_not_read,
)
from support.upstreams import scripted, silence

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway

LIST = health_pb2.HealthListRequest()  # type: ignore[attr-defined] # not in the stubs
NAMES = ["", "acs.rooms.v1.RoomsService", "acs.rooms.v1.ParticipantsService"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_gateway_that_is_up_is_serving_as_a_whole_and_in_each_service(
    running: Running, name: str
) -> None:
    assert await status_of(running.channel, name) == SERVING


async def test_unknown_service_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, "acs.rooms.v1.NoSuchService")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert "an empty name returns the health of the gateway as a whole" in (
        raised.value.details() or ""
    )


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


async def test_all_services_are_listed_with_their_health(running: Running) -> None:
    listed = await health_of(running.channel).List(LIST)
    assert {name: each.status for name, each in listed.statuses.items()} == dict.fromkeys(
        NAMES, SERVING
    )


async def test_a_watcher_of_a_service_that_there_is_not_hears_so(running: Running) -> None:
    request = health_pb2.HealthCheckRequest(service="acs.rooms.v1.NoSuchService")
    first = await anext(aiter(health_of(running.channel).Watch(request)))
    assert first.status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def test_a_watcher_who_does_not_read_keeps_nothing_from_anybody_else(
    emulator: Emulator,
) -> None:
    at_stop = settings(upstream_of(emulator), drain_delay=NO_HURRY, drain_grace=NO_HURRY)
    gateway = await Gateway(at_stop).__aenter__()
    async with (
        watcher_who_does_not_read(gateway.addresses[0]),
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
        asyncio.timeout(NO_HURRY),
    ):
        watch = aiter(health_of(channel).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == SERVING
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == NOT_SERVING
        assert [await status_of(channel, name) for name in NAMES] == [NOT_SERVING] * 3
        stop.cancel()
        await asyncio.wait([stop])
