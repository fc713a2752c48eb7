"""Upstream probe: when readiness is lost, and when it is restored."""

from __future__ import annotations

import asyncio

import pytest
from support.collectors import get, scrape
from support.gateways import SERVING, gateway_for, status_of

from rooms_emulator import Emulator, Fault
from rooms_gateway.call import Call
from rooms_gateway.errors import ThrottledError, UpstreamUnavailableError
from rooms_gateway.upstream.probe import FAILURE_THRESHOLD, JITTER, UpstreamProbe
from rooms_gateway.upstream.transport.sender import RestRequest, RestResponse

GAUGE = "rooms_gateway_upstream_reachable"
HELD_BACK = 0
"""Not a status: the pacer does not send the probe."""


class ScriptedUpstream:
    """Responds to each probe with the next of `statuses`; None: no response."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.seen: list[bool] = []
        self.slept: list[float] = []
        self.done = asyncio.Event()
        self.headers = {"x-ms-error-code": "AnyCode"}
        self.probe = UpstreamProbe(
            self, "2025-03-13", 10.0, sleep=self.sleep, uniform=lambda _, high: high
        )

    async def send(self, request: RestRequest, call: Call) -> RestResponse:
        assert (request.method, request.body) == ("GET", b"")
        assert call.remaining() <= 10
        status = self.statuses.pop(0)
        if status is None:
            raise UpstreamUnavailableError("no response")
        if status == HELD_BACK:
            raise ThrottledError("retry later")
        return RestResponse(status, self.headers, b"")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seen.append(self.probe.reachable)
        if not self.statuses:
            self.done.set()
            await asyncio.Event().wait()


async def states_after(*statuses: int | None) -> str:
    """Return the state after each probe: reachable (+) or not (-)."""
    upstream = ScriptedUpstream(*statuses)
    async with upstream.probe.in_background():
        await upstream.done.wait()
    assert set(upstream.slept) == {10.0 * (1 + JITTER)}
    return "".join("+" if each else "-" for each in upstream.seen)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 410, 429, HELD_BACK])
async def test_any_status_but_401_and_5xx_is_reachable(status: int) -> None:
    assert await states_after(status) == "+"


async def test_an_error_of_a_proxy_is_unreachable() -> None:
    upstream = ScriptedUpstream(404)
    upstream.headers = {}
    async with upstream.probe.in_background():
        await upstream.done.wait()
    assert upstream.seen == [False]


@pytest.mark.parametrize("status", [401, 500, 503, 599, None])
async def test_readiness_needs_three_failed_probes(status: int | None) -> None:
    """Fewer failures in a row do not change the state."""
    assert FAILURE_THRESHOLD == 3
    assert await states_after(200, status, status, 404, status, status, status) == "+++++" + "+-"


async def test_one_successful_probe_restores_readiness() -> None:
    """Before the first one the upstream counts as unreachable."""
    assert await states_after(503, 404, 503, 503, 503, 503, 404, 503) == "-+++--++"


async def until_readyz(address: str | None, status: int) -> None:
    async with asyncio.timeout(20):
        while (await get(address, "/readyz"))[0] != status:
            await asyncio.sleep(0.02)


async def test_an_unreachable_upstream_ends_readiness() -> None:
    """Startup, liveness and gRPC health stay as they are."""
    async with (
        Emulator() as emulator,
        gateway_for(emulator, admin_listen="127.0.0.1:0", upstream_probe_interval=0.05) as running,
    ):
        admin = running.gateway.admin_address
        await until_readyz(admin, 200)
        assert (await scrape(admin)).value(GAUGE) == 1
        emulator.faults.add(Fault(status=503, count=None))
        await until_readyz(admin, 503)
        cause = "HTTP status 503 of the Rooms service"
        text = f"not ready: the upstream is unreachable: {cause}\n"
        assert await get(admin, "/readyz") == (503, text)
        assert (await scrape(admin)).value(GAUGE) == 0
        assert (await scrape(admin)).total("rooms_gateway_upstream_requests_total") == 0
        assert [(await get(admin, path))[0] for path in ("/startupz", "/livez")] == [200, 200]
        assert await status_of(running.channel) == SERVING
        emulator.faults.clear()
        await until_readyz(admin, 200)
        assert len(emulator.store) == 0


async def test_the_probe_is_off_by_default() -> None:
    async with (
        Emulator() as emulator,
        gateway_for(emulator, admin_listen="127.0.0.1:0") as running,
    ):
        assert (await get(running.gateway.admin_address, "/readyz"))[0] == 200
        assert not (await scrape(running.gateway.admin_address)).has(GAUGE)
        assert running.requests() == 0
