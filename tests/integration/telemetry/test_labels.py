"""Labels of metrics: a closed set that neither callers nor the upstream can extend."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.collectors import scrape, settled
from support.gateways import Running, failure_of
from support.upstreams import Script, answer, hang_up, raw, scripted, silence

from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry.metrics.calls import go_name

SERVICE = "acs.rooms.v1.RoomsService"


def settings(upstream: Upstream | None, **others: Any) -> Settings:
    chosen: dict[str, Any] = {"listen": ("127.0.0.1:0",), "admin_listen": "127.0.0.1:0", **others}
    return Settings(upstream=upstream, api_version="2025-03-13", **chosen)


@asynccontextmanager
async def before(*scripts: Script, **others: Any) -> AsyncIterator[tuple[Gateway, Any]]:
    """Run a gateway with metrics in front of a scripted upstream; yield it and a stub."""
    async with (
        scripted(*scripts) as service,
        Gateway(settings(service.upstream, **others)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        yield gateway, rooms_service_pb2_grpc.RoomsServiceStub(channel)


async def test_unknown_methods_share_one_label(
    watched: Running,
) -> None:
    names = [f"/acs.rooms.v1.RoomsService/Get{number}" for number in range(30)]
    names += [f"/x{number}.Y/canary" for number in range(30)] + ["/", "/a/b/c", "/%22%7d/canary"]
    empty = await scrape(watched.gateway.admin_address)
    for name in names:
        call: Any = watched.channel.unary_unary(name, bytes, bytes)
        assert await call(b"").code() is grpc.StatusCode.UNIMPLEMENTED
    seen = await scrape(watched.gateway.admin_address)
    other = {"grpc_type": "unary", "grpc_service": "_OTHER", "grpc_method": "_OTHER"}
    assert seen.value("grpc_server_started_total", **other) == len(names)
    assert seen.value("grpc_server_handled_total", **other, grpc_code="Unimplemented") == len(names)
    assert seen.samples.keys() == empty.samples.keys()
    assert "canary" not in seen.text


async def test_health_checks_are_not_counted_as_calls(watched: Running) -> None:
    stub: Any = health_pb2_grpc.HealthStub(watched.channel)
    await stub.Check(health_pb2.HealthCheckRequest())
    assert (await scrape(watched.gateway.admin_address)).total("grpc_server_started_total") == 0


@pytest.mark.parametrize("method", ["GetRoom", "ListRooms"])
async def test_every_method_starts_at_0(watched: Running, method: str) -> None:
    seen = await scrape(watched.gateway.admin_address)
    kind = "server_stream" if method == "ListRooms" else "unary"
    labels = {"grpc_type": kind, "grpc_service": SERVICE, "grpc_method": method}
    assert ("grpc_server_started_total", frozenset(labels.items())) in seen.samples


async def test_unknown_http_statuses_share_one_label() -> None:
    statuses = [*range(430, 431), *range(700, 720), 999]
    scripts = [answer(b"{}", f"{status} canary") for status in statuses]
    async with before(*scripts) as (gateway, stub):
        for _ in statuses:
            await failure_of(stub.GetRoom(GetRoomRequest(room_id="1")))
        seen = await settled(gateway.admin_address)
    labels = {"http_response_status_code": "_OTHER", "error_type": "_OTHER"}
    count = "http_client_request_duration_seconds_count"
    assert seen.value(count, **labels, http_request_method="GET") == len(statuses)
    assert "canary" not in seen.text


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (hang_up, "connection_lost"),
        (silence, "timeout"),
        (raw(b"canary\r\n\r\n", close=True), "not_http"),
        (answer(b"", "200 OK", "Content-Encoding: canary"), "invalid_response"),
    ],
    ids=["hang-up", "silence", "no HTTP", "an encoding that was not requested"],
)
async def test_failed_attempts_have_an_error_type(script: Script, error: str) -> None:
    async with before(script, max_attempts=1, attempt_timeout=0.2) as (gateway, stub):
        await failure_of(stub.GetRoom(GetRoomRequest(room_id="1")))
        seen = await settled(gateway.admin_address)
    labels = {"http_response_status_code": "", "error_type": error, "http_request_method": "GET"}
    assert seen.value("http_client_request_duration_seconds_count", **labels) == 1
    assert "canary" not in seen.text


async def test_a_refused_connection_has_its_cause() -> None:
    async with scripted(silence) as service:
        gone = service.upstream
    async with (
        Gateway(settings(gone, max_attempts=1)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        await failure_of(stub.GetRoom(GetRoomRequest(room_id="1")))
        seen = await settled(gateway.admin_address)
    count = "http_client_request_duration_seconds_count"
    assert seen.total(count, error_type="connection_refused") == 1


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda each: each.name)
def test_codes_are_spelt_as_in_go(code: grpc.StatusCode) -> None:
    # google.golang.org/grpc/codes, code_string.go: the spelling in dashboards.
    names = re.findall(
        r"\w+",
        "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists "
        "PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented "
        "Internal Unavailable DataLoss Unauthenticated",
    )
    assert go_name(code.name) == names[code.value[0]]
