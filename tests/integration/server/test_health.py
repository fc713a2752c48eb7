"""Health while serving and during shutdown."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2
from support.gateways import (
    LONG_GRACE,
    NOT_SERVING,
    SERVING,
    Running,
    health_of,
    settings,
    stalled_watcher,
    status_of,
    upstream_of,
)
from support.upstreams import scripted, silence

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway

LIST = health_pb2.HealthListRequest()  # type: ignore[attr-defined] # not in the stubs
NAMES = [
    "",
    "acs.rooms.v1.RoomsService",
    "acs.rooms.v1.ParticipantsService",
    "acs.rooms.v1.JoinService",
    "acs.identity.v1.IdentityService",
]


@pytest.mark.parametrize("name", NAMES)
async def test_health_is_serving_for_each_service(running: Running, name: str) -> None:
    """The empty name is the gateway as a whole."""
    assert await status_of(running.channel, name) == SERVING


async def test_unknown_service_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, "acs.rooms.v1.NoSuchService")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert "an empty name returns the health of the gateway as a whole" in (
        raised.value.details() or ""
    )


async def test_health_ignores_an_absent_upstream() -> None:
    async with scripted(silence) as service:
        upstream = service.upstream
    async with (
        Gateway(settings(upstream)) as alone,
        grpc.aio.insecure_channel(alone.addresses[0]) as channel,
    ):
        assert await status_of(channel) == SERVING


@pytest.mark.parametrize("name", NAMES)
async def test_watcher_is_notified_of_the_shutdown(emulator: Emulator, name: str) -> None:
    gateway = await Gateway(settings(upstream_of(emulator), drain_grace=LONG_GRACE)).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        watch = aiter(health_of(channel).Watch(health_pb2.HealthCheckRequest(service=name)))
        assert (await anext(watch)).status == SERVING
        shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == NOT_SERVING
        await shutdown


async def test_list_returns_the_health_of_all_services(running: Running) -> None:
    listed = await health_of(running.channel).List(LIST)
    assert {name: each.status for name, each in listed.statuses.items()} == dict.fromkeys(
        NAMES, SERVING
    )


async def test_watch_of_unknown_service_is_unknown(running: Running) -> None:
    request = health_pb2.HealthCheckRequest(service="acs.rooms.v1.NoSuchService")
    first = await anext(aiter(health_of(running.channel).Watch(request)))
    assert first.status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def test_stalled_watcher_does_not_affect_others(
    emulator: Emulator,
) -> None:
    slow_shutdown = settings(upstream_of(emulator), drain_delay=LONG_GRACE, drain_grace=LONG_GRACE)
    gateway = await Gateway(slow_shutdown).__aenter__()
    async with (
        stalled_watcher(gateway.addresses[0]),
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
        asyncio.timeout(LONG_GRACE),
    ):
        watch = aiter(health_of(channel).Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == SERVING
        shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == NOT_SERVING
        assert [await status_of(channel, name) for name in NAMES] == [NOT_SERVING] * len(NAMES)
        shutdown.cancel()
        await asyncio.wait([shutdown])
