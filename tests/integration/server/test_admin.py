"""The admin listener: probes during the lifecycle, other paths, addresses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from types import TracebackType
from typing import Any, Self

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.collectors import get, not_ready, scrape
from support.gateways import Running, failure_of, gateway_before, until, upstream_of
from support.upstreams import scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway
from rooms_gateway.server.admin import AdminListener, Lifecycle
from rooms_gateway.server.listeners import BindError
from rooms_gateway.settings import Settings, SettingsError
from rooms_gateway.upstream.credentials import AccessKey, Signer

PROBES = ("/startupz", "/readyz", "/livez")

NO_HURRY = 60.0
"""A delay or grace so long that a stop which waits for it fails the test."""


def settings(**others: Any) -> Settings:
    chosen = {"upstream": None, "listen": ("127.0.0.1:0",), "admin_listen": "127.0.0.1:0"}
    return Settings(**{"api_version": "2025-03-13", **chosen, **others})


async def statuses(address: str | None) -> tuple[int, ...]:
    """Ask startup, readiness and liveness."""
    return tuple([(await get(address, path))[0] for path in PROBES])


@pytest.fixture
async def watched(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_before(emulator, admin_listen="127.0.0.1:0") as running:
        yield running


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


class SlowCredential:
    """A credential that takes its time to get ready."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    @property
    def signer(self) -> AccessKey:
        return AccessKey(b"key")

    async def replacement(self, rejected: Collection[Signer]) -> None:
        """Have no other."""

    def prefer(self, signer: Signer) -> None:
        """Have no choice."""

    async def __aenter__(self) -> Self:
        await self.ready.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have nothing to stop."""


# --- probes ---------------------------------------------------------------------------------------


async def test_a_gateway_that_serves_is_started_ready_and_alive(watched: Running) -> None:
    assert await statuses(watched.gateway.admin_address) == (200, 200, 200)


async def test_a_gateway_that_is_still_starting_is_alive_only() -> None:
    credential = SlowCredential()
    gateway = Gateway(settings(), credential)
    start = asyncio.ensure_future(gateway.__aenter__())
    await until(lambda: gateway.admin_address is not None)
    assert await statuses(gateway.admin_address) == (503, 503, 200)
    credential.ready.set()
    await start
    assert await statuses(gateway.admin_address) == (200, 200, 200)
    await gateway.__aexit__(None, None, None)


async def test_a_gateway_is_ready_whether_its_upstream_is_there_or_not() -> None:
    async with scripted(silence) as service:
        upstream = service.upstream
    async with (
        Gateway(settings(upstream=upstream, max_attempts=1)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        stub = rooms_pb2_grpc.RoomsServiceStub(channel)
        failed = await failure_of(stub.GetRoom(GetRoomRequest(room_id="1")))
        assert failed.code is grpc.StatusCode.UNAVAILABLE
        assert await statuses(gateway.admin_address) == (200, 200, 200)


@pytest.mark.proves("S65")
async def test_probes_and_metrics_answer_while_the_gateway_is_saturated(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(latency=1.0))
    async with gateway_before(
        emulator, admin_listen="127.0.0.1:0", max_concurrent_calls=1, max_queued_calls=0
    ) as running:
        busy = asyncio.ensure_future(running.rooms.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: running.requests() == 1)
        assert await statuses(running.gateway.admin_address) == (200, 200, 200)
        seen = await scrape(running.gateway.admin_address)
        assert seen.value("rooms_gateway_calls_in_flight") == 1
        assert not busy.done()
        await busy


# --- the drain ------------------------------------------------------------------------------------


async def test_in_the_drain_delay_the_gateway_is_not_ready_and_serves_on(
    emulator: Emulator,
) -> None:
    gateway = await Gateway(settings(upstream=upstream_of(emulator), drain_delay=1.0)).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await statuses(gateway.admin_address) == (200, 503, 200)
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as newcomer:
            stub = rooms_pb2_grpc.RoomsServiceStub(newcomer)
            assert await stub.CreateRoom(CreateRoomRequest()).code() is grpc.StatusCode.OK
        assert not stop.done()
        await stop


async def test_a_stop_that_is_cut_short_in_the_drain_delay_ends_at_once() -> None:
    async with scripted(silence) as service:
        gateway = await Gateway(
            settings(upstream=service.upstream, drain_delay=NO_HURRY, drain_grace=NO_HURRY)
        ).__aenter__()
        async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
            stub = rooms_pb2_grpc.RoomsServiceStub(channel)
            call = asyncio.ensure_future(stub.GetRoom(GetRoomRequest(room_id="1")).code())
            await until(lambda: len(service.requests) == 1)
            stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
            await not_ready(gateway.admin_address)
            stop.cancel()
            async with asyncio.timeout(NO_HURRY / 2):
                with pytest.raises(asyncio.CancelledError):
                    await stop
            assert await call is grpc.StatusCode.UNAVAILABLE


async def test_probes_answer_while_the_last_call_is_finished_and_not_after_the_stop(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(latency=1.5))
    gateway = await Gateway(settings(upstream=upstream_of(emulator))).__aenter__()
    async with grpc.aio.insecure_channel(gateway.addresses[0]) as channel:
        stub = rooms_pb2_grpc.RoomsServiceStub(channel)
        call = asyncio.ensure_future(stub.CreateRoom(CreateRoomRequest()).code())
        await until(lambda: len(emulator.journal) == 1)
        stop = asyncio.ensure_future(gateway.__aexit__(None, None, None))
        await until(lambda: not accepts(gateway.addresses[0]))
        assert await statuses(gateway.admin_address) == (200, 503, 200)
        assert not call.done()
        assert await call is grpc.StatusCode.OK
        await stop
    with pytest.raises(OSError, match="Cannot connect"):
        await get(gateway.admin_address, "/livez")


# --- what else there is, and is not ---------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics/", "/readyz/x", "/../etc/passwd"])
async def test_other_paths_are_404(watched: Running, path: str) -> None:
    assert (await get(watched.gateway.admin_address, path))[0] == 404


@pytest.mark.parametrize("path", [*PROBES, "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(watched: Running, path: str, method: str) -> None:
    assert (await get(watched.gateway.admin_address, path, method))[0] == 405


@pytest.mark.proves("S63")
@pytest.mark.parametrize(
    "sent",
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
async def test_who_sends_nonsense_to_it_or_half_of_a_request_harms_no_probe_and_writes_no_line(
    watched: Running, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    address = watched.gateway.admin_address
    assert address is not None
    host, _, port = address.rpartition(":")
    writers = []
    for _ in range(50):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writers.append(writer)
    assert await statuses(address) == (200, 200, 200)
    for writer in writers:
        writer.transport.abort()
    assert "planted" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_without_the_setting_there_is_no_listener(running: Running) -> None:
    assert running.gateway.admin_address is None


async def test_a_port_that_is_taken_is_refused_and_its_owner_serves_on(watched: Running) -> None:
    address = watched.gateway.admin_address
    with pytest.raises(
        BindError, match=f"^cannot listen on {address}, for probes and metrics: the"
    ):
        await Gateway(settings(admin_listen=address)).__aenter__()
    assert await statuses(address) == (200, 200, 200)


async def test_a_gateway_that_cannot_bind_its_calls_address_lets_go_of_the_admin_address(
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
def test_an_address_that_strangers_reach_needs_the_flag_for_it(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen: .*--admin-allow-remote"):
        settings(admin_listen=address, allow_plaintext=True)
    assert settings(admin_listen=address, admin_allow_remote=True).admin_listen == address


@pytest.mark.proves("S61")
def test_the_flag_for_probes_opens_no_address_for_calls() -> None:
    with pytest.raises(SettingsError, match=r"^--listen: .*--allow-plaintext"):
        settings(listen=("0.0.0.0:0",), admin_allow_remote=True)


def test_calls_and_probes_cannot_share_an_address() -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen: 127.0.0.1:7 is an address of --l"):
        settings(listen=("127.0.0.1:7",), admin_listen="127.0.0.1:7")


@pytest.mark.parametrize("other", [{"quitquitquit": True}, {"upstream_probe_interval": 5.0}])
def test_what_is_of_the_listener_for_operators_needs_it(other: dict[str, Any]) -> None:
    with pytest.raises(
        SettingsError, match=r"^--(quitquitquit|upstream-probe-interval) needs --admin-"
    ):
        settings(admin_listen=None, **other)


@pytest.mark.parametrize("address", ["", "9464", "127.0.0.1:", "127.0.0.1:99999", "unix:/tmp/x"])
def test_what_is_no_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"^--admin-listen"):
        settings(admin_listen=address)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_a_drain_delay_without_end_is_refused(seconds: float) -> None:
    with pytest.raises(SettingsError, match="--drain-delay must be a number of seconds"):
        settings(drain_delay=seconds)


async def test_prometheus_gets_the_format_that_it_asks_for() -> None:
    asked = []

    def expose(accept: str) -> tuple[bytes, str]:
        asked.append(accept)
        return b"", "text/plain; version=0.0.4; charset=utf-8"

    async with AdminListener("127.0.0.1:0", Lifecycle(), expose) as admin:
        assert await get(admin.address, "/metrics") == (200, "")
    assert asked == ["*/*"]
