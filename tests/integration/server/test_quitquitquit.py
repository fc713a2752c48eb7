"""Shutdown over HTTP: accepted from the same host, not from a browser or proxy."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from support.collectors import get
from support.gateways import gateway_before

from rooms_emulator import Emulator
from rooms_gateway.server.admin import AdminListener, Lifecycle


class AdminResponse:
    """Counts how often a stop was asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def test_a_post_from_this_machine_asks_for_the_stop_and_another_asks_again() -> None:
    asked = AdminResponse()
    async with AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), asked) as admin:
        assert await get(admin.address, "/quitquitquit", "POST") == (200, "stopping\n")
        assert await get(admin.address, "/quitquitquit", "POST") == (200, "stopping\n")
    assert asked.times == 2


@pytest.mark.proves("S62")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_but_a_post_asks_for_the_stop(method: str) -> None:
    asked = AdminResponse()
    async with AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), asked) as admin:
        assert (await get(admin.address, "/quitquitquit", method))[0] == 405
    assert asked.times == 0


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
async def test_a_browser_or_a_proxy_on_this_machine_is_refused(header: tuple[str, str]) -> None:
    asked = AdminResponse()
    async with (
        AdminListener("127.0.0.1:0", Lifecycle(), lambda _: (b"", ""), asked) as admin,
        aiohttp.ClientSession(headers=[header]) as session,
        session.post(f"http://{admin.address}/quitquitquit") as answer,
    ):
        assert answer.status == 403
    assert asked.times == 0


@pytest.mark.proves("S62")
async def test_another_machine_is_refused() -> None:
    # What is sent from an address that is not loopback is what another machine would send.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has loopback only")
        own = route.getsockname()[0]
    asked = AdminResponse()
    async with AdminListener("0.0.0.0:0", Lifecycle(), lambda _: (b"", ""), asked) as admin:
        address = f"{own}:{admin.address.rpartition(':')[2]}"
        assert (await get(address, "/livez"))[0] == 200
        assert (await get(address, "/quitquitquit", "POST"))[0] == 403
    assert asked.times == 0


async def test_without_the_setting_there_is_no_such_path(emulator: Emulator) -> None:
    async with gateway_before(emulator, admin_listen="127.0.0.1:0") as running:
        assert (await get(running.gateway.admin_address, "/quitquitquit", "POST"))[0] == 404
