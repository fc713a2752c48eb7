"""LegacyRoomsService: served with --enable-legacy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.legacy.v1.legacy_rooms_service_pb2_grpc import LegacyRoomsServiceStub
from click.testing import CliRunner
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from support.gateways import SERVING, Running, gateway_for, status_of
from support.legacy_gateway import SERVICE, Legacy

from rooms_emulator import Emulator
from rooms_gateway.cli.serve.command import serve


async def services(running: Running) -> set[str]:
    """Return the names that server reflection lists."""
    request = ServerReflectionRequest(list_services="*")
    connect: Callable[..., Any] = ServerReflectionStub
    stub = connect(running.channel)
    async for response in stub.ServerReflectionInfo(iter([request])):
        return {service.name for service in response.list_services_response.service}
    return set()


async def test_it_is_off_by_default(running: Running) -> None:
    stub = LegacyRoomsServiceStub(running.channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.CreateRoom(pb.CreateRoomRequest())
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, SERVICE)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert SERVICE not in await services(running)
    assert running.requests() == 0


async def test_enabled_it_is_listed_and_healthy(legacy: Legacy) -> None:
    assert await status_of(legacy.running.channel, SERVICE) == SERVING
    assert SERVICE in await services(legacy.running)


async def test_startup_with_it_warns_of_the_deprecation(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    for legacy in (True, False):
        caplog.clear()
        async with gateway_for(emulator, enable_legacy=legacy):
            pass
        messages = [
            record.getMessage() for record in caplog.records if SERVICE in record.getMessage()
        ]
        assert [("deprecated" in text) for text in messages] == [True] * legacy


def test_the_preview_version_is_not_an_option() -> None:
    done = CliRunner().invoke(serve, ["--emulator", "--api-version", "2022-02-01"])
    assert done.exit_code == 2
    assert "--api-version" in done.stderr
