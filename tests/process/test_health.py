"""`rooms-gateway health`, the probe."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from support.commands import refused_address, run

from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    listen = ("127.0.0.1:0", f"unix:{tmp_path}/socket")
    async with Gateway(Settings(upstream=None, api_version="2025-03-13", listen=listen)) as gateway:
        yield gateway


@pytest.mark.parametrize("which", [0, 1], ids=["tcp", "unix"])
async def test_serving_gateway_is_exit_code_0(gateway: Gateway, which: int) -> None:
    done = await run("health", "--address", gateway.addresses[which])
    assert (done.code, done.out, done.err) == (0, "SERVING\n", "")


async def test_address_from_the_environment(gateway: Gateway) -> None:
    done = await run("health", env={"ROOMS_GATEWAY_ADDRESS": gateway.addresses[0]})
    assert done.code == 0


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
async def test_proxy_in_the_environment_is_ignored(gateway: Gateway, variable: str) -> None:
    env = {variable: "http://127.0.0.1:1", "no_proxy": ""}
    done = await run("health", "--address", gateway.addresses[0], env=env)
    assert done.code == 0


async def test_refused_connection_is_exit_code_1() -> None:
    with refused_address() as address:
        done = await run("health", "--address", address)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"no response from {address}: UNAVAILABLE\n"


async def test_silent_server_is_exit_code_1_at_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = await run("health", "--address", address, "--timeout", "0.3")
    assert done.code == 1
    assert done.err.startswith(f"no response from {address}: ")


async def test_not_serving_is_exit_code_1() -> None:
    healths = health.aio.HealthServicer()
    await healths.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    done = await run("health", "--address", f"127.0.0.1:{port}")
    await server.stop(None)
    assert (done.code, done.out) == (1, "NOT_SERVING\n")
