"""The admin listener: probes during the lifecycle, other paths, addresses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from types import TracebackType
from typing import Any, Self

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.collectors import get, not_ready, scrape
from support.gateways import Running, failure_of, gateway_for, until, upstream_of
from support.upstreams import answer, held, scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway
from rooms_gateway.server.admin import AdminListener, Lifecycle
from rooms_gateway.server.ports import BindError
from rooms_gateway.settings import Settings, SettingsError
from rooms_gateway.upstream.credentials import AccessKey, Signer

PROBES = ("/startupz", "/readyz", "/livez")

LONG_GRACE = 60.0
"""Delay or grace, in seconds, so long that a shutdown which waits for it fails the test."""


def settings(**others: Any) -> Settings:
    chosen = {"upstream": None, "listen": ("127.0.0.1:0",), "admin_listen": "127.0.0.1:0"}
    return Settings(**{"api_version": "2025-03-13", **chosen, **others})


async def statuses(address: str | None) -> tuple[int, ...]:
    """Return the HTTP statuses of startup, readiness and liveness."""
    return tuple([(await get(address, path))[0] for path in PROBES])


@pytest.fixture
async def watched(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(emulator, admin_listen="127.0.0.1:0") as running:
        yield running


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


class SlowCredential:
    """A credential that is not ready until `ready` is set."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    @property
    def signer(self) -> AccessKey:
        return AccessKey(b"key")

    async def replacement(self, rejected: Collection[Signer]) -> None:
        """Offer no other signer."""

    def prefer(self, signer: Signer) -> None:
        """Ignore the preference."""

    async def __aenter__(self) -> Self:
        await self.ready.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release nothing."""


# --- probes ---------------------------------------------------------------------------------------


async def test_probes_of_a_serving_gateway_return_200(watched: Running) -> None:
    assert await statuses(watched.gateway.admin_address) == (200, 200, 200)


async def test_only_liveness_succeeds_during_startup() -> None:
    credential = SlowCredential()
    gateway = Gateway(settings(), credential)
    start = asyncio.ensure_future(gateway.__aenter__())
    await until(lambda: gateway.admin_address is not None)
    assert await statuses(gateway.admin_address) == (503, 503, 200)
    credential.ready.set()
    await start
    assert await statuses(gateway.admin_address) == (200, 200, 200)
    await gateway.__aexit__(None, None, None)


async def test_readiness_ignores_an_absent_upstream() -> None:
    async with scripted(silence) as service:
        upstream = service.upstream
    async with (
        Gateway(settings(upstream=upstream, max_attempts=1)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        failed = await failure_of(stub.GetRoom(GetRoomRequest(room_id="1")))
        assert failed.code is grpc.StatusCode.UNAVAILABLE
        assert await statuses(gateway.admin_address) == (200, 200, 200)


@pytest.mark.proves("S65")
async def test_probes_and_metrics_respond_at_the_limit(
    emulator: Emulator,
) -> None:
    """The limit of concurrent calls does not apply to the admin listener."""
    release = asyncio.Event()
    async with (
        scripted(held(release, answer(b'{"id":"1"}'))) as service,
        gateway_for(
            emulator,
            service.upstream,
            admin_listen="127.0.0.1:0",
            max_concurrent_calls=1,
            max_queued_calls=0,
        ) as running,
    ):
        busy = asyncio.ensure_future(running.rooms.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: len(service.requests) == 1)
        assert await statuses(running.gateway.admin_address) == (200, 200, 200)
        seen = await scrape(running.gateway.admin_address)
        assert seen.value("rooms_gateway_calls_in_flight") == 1
        assert not busy.done()
        release.set()
        await busy


# --- drain ----------------------------------------------------------------------------------------


async def test_drain_delay_serves_while_not_ready(
    emulator: Emulator,
) -> None:
    gateway = await Gateway(settings(upstream=upstream_of(emulator), drain_delay=1.0)).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
        shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await statuses(gateway.admin_address) == (200, 503, 200)
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as later:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(later)
            assert await stub.CreateRoom(CreateRoomRequest()).code() is grpc.StatusCode.OK
        assert not shutdown.done()
        await shutdown


async def test_forced_shutdown_skips_the_drain_delay() -> None:
    async with scripted(silence) as service:
        gateway = await Gateway(
            settings(upstream=service.upstream, drain_delay=LONG_GRACE, drain_grace=LONG_GRACE)
        ).__aenter__()
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            call = asyncio.ensure_future(stub.GetRoom(GetRoomRequest(room_id="1")).code())
            await until(lambda: len(service.requests) == 1)
            shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
            await not_ready(gateway.admin_address)
            shutdown.cancel()
            async with asyncio.timeout(LONG_GRACE / 2):
                with pytest.raises(asyncio.CancelledError):
                    await shutdown
            assert await call is grpc.StatusCode.UNAVAILABLE


async def test_probes_respond_until_the_drain_ends(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(latency=1.5))
    gateway = await Gateway(settings(upstream=upstream_of(emulator))).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        call = asyncio.ensure_future(stub.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: len(emulator.journal) == 1)
        shutdown = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        await until(lambda: not accepts(gateway.addresses[0]))
        assert await statuses(gateway.admin_address) == (200, 503, 200)
        assert not call.done()
        assert await call is grpc.StatusCode.OK
        await shutdown
    with pytest.raises(OSError, match="Cannot connect"):
        await get(gateway.admin_address, "/livez")


# --- paths, methods and settings ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics/", "/readyz/x", "/../etc/passwd"])
async def test_other_paths_are_404(watched: Running, path: str) -> None:
    assert (await get(watched.gateway.admin_address, path))[0] == 404


@pytest.mark.parametrize("path", [*PROBES, "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(watched: Running, path: str, method: str) -> None:
    assert (await get(watched.gateway.admin_address, path, method))[0] == 405


@pytest.mark.proves("S63")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /livez HT",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000,
        b"GET /livez HTTP/1.1\r\n" + b"X: planted\r\n" * 10_000,
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nplanted",
        b"GET /planted HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01planted\0\x1b[2J",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(8),
)
async def test_malformed_requests_do_not_affect_probes(
    watched: Running, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Malformed and incomplete requests leave the probes available and are not logged."""
    address = watched.gateway.admin_address
    assert address is not None
    host, _, port = address.rpartition(":")
    writers = []
    for _ in range(50):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        writers.append(writer)
    assert await statuses(address) == (200, 200, 200)
    for writer in writers:
        writer.transport.abort()
    assert "planted" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_admin_listener_is_off_by_default(running: Running) -> None:
    assert running.gateway.admin_address is None


async def test_admin_port_in_use_is_rejected(watched: Running) -> None:
    """The gateway that owns the port keeps serving."""
    address = watched.gateway.admin_address
    with pytest.raises(
        BindError, match=f"^cannot listen on {address}, for probes and metrics: the"
    ):
        await Gateway(settings(admin_listen=address)).__aenter__()
    assert await statuses(address) == (200, 200, 200)


async def test_failed_startup_releases_admin_address(
    running: Running,
) -> None:
    gateway = Gateway(settings(listen=tuple(running.gateway.addresses)))
    with pytest.raises(BindError):
        await gateway.__aenter__()
    assert gateway.admin_address is not None
    host, _, port = gateway.admin_address.rpartition(":")
    socket.create_server((host, int(port))).close()


@pytest.mark.proves("S61")
@pytest.mark.parametrize("address", ["0.0.0.0:9464", "192.0.2.1:9464", "[::]:9464"])
def test_remote_admin_address_requires_its_flag(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen: .*--admin-allow-remote"):
        settings(admin_listen=address, allow_plaintext=True)
    assert settings(admin_listen=address, admin_allow_remote=True).admin_listen == address


@pytest.mark.proves("S61")
def test_admin_flag_does_not_open_call_listeners() -> None:
    with pytest.raises(SettingsError, match=r"^--listen: .*--allow-plaintext"):
        settings(listen=("0.0.0.0:0",), admin_allow_remote=True)


def test_calls_and_probes_cannot_share_an_address() -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen: 127.0.0.1:7 is an address of --l"):
        settings(listen=("127.0.0.1:7",), admin_listen="127.0.0.1:7")


@pytest.mark.parametrize("other", [{"quitquitquit": True}, {"upstream_probe_interval": 5.0}])
def test_admin_settings_require_the_listener(other: dict[str, Any]) -> None:
    with pytest.raises(
        SettingsError, match=r"^--(quitquitquit|upstream-probe-interval) needs --admin-"
    ):
        settings(admin_listen=None, **other)


@pytest.mark.parametrize("address", ["", "9464", "127.0.0.1:", "127.0.0.1:99999", "unix:/tmp/x"])
def test_malformed_admin_address_is_rejected(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen"):
        settings(admin_listen=address)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_infinite_drain_delay_is_rejected(seconds: float) -> None:
    with pytest.raises(SettingsError, match="--drain-delay must be a number of seconds"):
        settings(drain_delay=seconds)


async def test_metrics_follow_the_accept_header() -> None:
    accepted = []

    def expose(accept: str) -> tuple[bytes, str]:
        accepted.append(accept)
        return b"", "text/plain; version=0.0.4; charset=utf-8"

    async with AdminListener("127.0.0.1:0", Lifecycle(), expose) as admin:
        assert await get(admin.address, "/metrics") == (200, "")
    assert accepted == ["*/*"]
