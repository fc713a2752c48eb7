"""Shutdown over HTTP: accepted from the same host, not from a browser or proxy."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from support.collectors import get
from support.gateways import gateway_for

from rooms_emulator import Emulator
from rooms_gateway.server.admin import AdminListener, Lifecycle


class ShutdownCounter:
    """Counts the shutdown requests."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def test_post_from_loopback_requests_shutdown() -> None:
    """A second request is passed on, too."""
    requested = ShutdownCounter()
    async with AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), requested) as admin:
        assert await get(admin.address, "/quitquitquit", "POST") == (200, "stopping\n")
        assert await get(admin.address, "/quitquitquit", "POST") == (200, "stopping\n")
    assert requested.times == 2


@pytest.mark.proves("S62")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_do_not_request_shutdown(method: str) -> None:
    requested = ShutdownCounter()
    async with AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), requested) as admin:
        assert (await get(admin.address, "/quitquitquit", method))[0] == 405
    assert requested.times == 0


@pytest.mark.proves("S62")
@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "null"),
        ("oRiGiN", "http://127.0.0.1:9464"),
        ("Sec-Fetch-Site", "same-origin"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 mesh"),
    ],
    ids=lambda each: each[0],
)
async def test_browser_or_proxy_on_loopback_is_rejected(header: tuple[str, str]) -> None:
    requested = ShutdownCounter()
    async with (
        AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), requested) as admin,
        aiohttp.ClientSession(headers=[header]) as session,
        session.post(f"http://{admin.address}/quitquitquit") as response,
    ):
        assert response.status == 403
    assert requested.times == 0


@pytest.mark.proves("S62")
async def test_another_host_is_rejected() -> None:
    # A request from an address other than loopback is like one from another host.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has loopback only")
        own = route.getsockname()[0]
    requested = ShutdownCounter()
    async with AdminListener("0.0.0.0:0", Lifecycle(), lambda _: (b"", ""), requested) as admin:
        address = f"{own}:{admin.address.rpartition(':')[2]}"
        assert (await get(address, "/livez"))[0] == 200
        assert (await get(address, "/quitquitquit", "POST"))[0] == 403
    assert requested.times == 0


async def test_quitquitquit_is_404_by_default(emulator: Emulator) -> None:
    async with gateway_for(emulator, admin_listen="127.0.0.1:0") as running:
        assert (await get(running.gateway.admin_address, "/quitquitquit", "POST"))[0] == 404
