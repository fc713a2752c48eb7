"""A resource that cannot be used, is throttled or unreachable stops no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from support.collectors import scrape, settled
from support.gateways import (
    NOT_SERVING,
    SERVING,
    failure_of,
    health_of,
    settings,
    status_of,
    until,
)
from support.several_resources import EU, US, resources, several
from support.upstreams import Scripted, scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway
from rooms_gateway.upstream.credentials.settings import EntraKind

ROOM = GetRoomRequest(room_id="99400000000000000")
CREATE = CreateRoomRequest()
BROKEN = (("rooms-resource", "broken"),)
HEALTH = "rooms-gateway.resource/"
MISCONFIGURED = (StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_MISCONFIGURED")
REJECTED = (StatusCode.UNAVAILABLE, "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED")
ENDPOINT = "https://contoso.communication.azure.com"


async def test_a_throttled_resource_slows_no_other() -> None:
    """More calls wait for its pacer than there are slots, and none of the other waits for them."""
    async with several(
        us=Emulator(quotas=["CreateRoom=1/5s"]),
        max_concurrent_calls=5,
        max_queued_calls=5,
        admin_listen="127.0.0.1:0",
    ) as running:
        await running.rooms.CreateRoom(CREATE, metadata=US)
        throttled = [
            asyncio.ensure_future(running.rooms.CreateRoom(CREATE, metadata=US, timeout=60).code())
            for _ in range(5)
        ]
        address, in_flight = running.gateway.admin_address, "rooms_gateway_calls_in_flight"
        while (await scrape(address)).value(in_flight) < len(throttled):
            await asyncio.sleep(0.01)
        await asyncio.gather(*(running.rooms.CreateRoom(CREATE, metadata=EU) for _ in range(10)))
        assert not any(each.done() for each in throttled)
        for each in throttled:
            each.cancel()
        await asyncio.gather(*throttled, return_exceptions=True)


async def test_each_resource_has_its_retry_budget() -> None:
    async with several(admin_listen="127.0.0.1:0", max_attempts=2) as running:
        running.us.faults.add(Fault(status=503, count=None))
        failing = (running.rooms.GetRoom(ROOM, metadata=US).code() for _ in range(70))
        await asyncio.gather(*failing)
        seen = await settled(running.gateway.admin_address)
        name = "rooms_gateway_retry_budget"
        assert seen.value(name, resource="us") < 1 < seen.value(name, resource="eu")


UNUSABLE: dict[str, tuple[dict[str, Any], tuple[StatusCode, str], str]] = {
    "no key file": (
        {"endpoint": ENDPOINT, "access_key_file": Path("/no/such/key")},
        MISCONFIGURED,
        "because of its files",
    ),
    "no CA": (
        {
            "connection_string": f"endpoint={ENDPOINT};accesskey=a2V5",
            "upstream_ca": Path("/no/such/ca"),
        },
        MISCONFIGURED,
        "because of its files",
    ),
    "no token": (
        {"endpoint": ENDPOINT, "entra": EntraKind.WORKLOAD_IDENTITY},
        REJECTED,
        "because of its credential",
    ),
    "no such name": (
        {"connection_string": "endpoint=https://no-such-host.invalid;accesskey=a2V5"},
        MISCONFIGURED,
        "no-such-host.invalid",
    ),
}


@pytest.mark.proves("S92")
@pytest.mark.parametrize("kind", UNUSABLE)
async def test_an_unusable_resource_stops_no_other(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway starts; calls get the cause, without paths of files, and health shows it."""
    table, outcome, cause = UNUSABLE[kind]
    with caplog.at_level(logging.WARNING):
        async with several(more={"broken": table}) as running:
            assert await status_of(running.channel) == SERVING
            await running.rooms.CreateRoom(CREATE, metadata=EU)
            failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=BROKEN))
            assert (failed.code, failed.reason) == outcome
            assert failed.metadata["resource"] == "broken"
            assert cause in failed.message
            assert "/no/such" not in failed.message
            assert await status_of(running.channel, f"{HEALTH}broken") == NOT_SERVING
    assert "broken" in caplog.text or "no-such-host.invalid" in caplog.text


@pytest.mark.proves("S56")
async def test_a_malformed_key_is_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text("canary-canary-canary!")
    table = {"endpoint": ENDPOINT, "access_key_file": file}
    with caplog.at_level(logging.DEBUG):
        async with several(more={"broken": table}) as running:
            failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=BROKEN))
    assert "access-key-file" in caplog.text
    assert "canary" not in caplog.text + str(failed.status)


async def test_a_key_file_that_appears_is_used(tmp_path: Path) -> None:
    async with Emulator() as emulator:
        endpoint, _, key = emulator.connection_string.partition(";accesskey=")
        file = tmp_path / "key"
        table = {"endpoint": endpoint.removeprefix("endpoint="), "access_key_file": file}
        async with several(more={"late": table}) as running:
            late = (("rooms-resource", "late"),)
            await failure_of(running.rooms.CreateRoom(CREATE, metadata=late))
            file.write_text(key)
            await running.manager.reload()
            await until(lambda: running.manager.serving["late"])
            await running.rooms.CreateRoom(CREATE, metadata=late)
            assert await status_of(running.channel, f"{HEALTH}late") == SERVING


async def test_without_any_usable_resource_none_serves() -> None:
    """The gateway runs, so that it recovers without a restart."""
    table = UNUSABLE["no key file"][0]
    async with several(tables={"broken": table}, admin_listen="127.0.0.1:0") as running:
        assert await status_of(running.channel) == NOT_SERVING


SLOW = {"endpoint": ENDPOINT, "entra": EntraKind.MANAGED_IDENTITY}


@pytest.fixture
async def silent_issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scripted]:
    """Run a token issuer that does not respond to SLOW."""
    async with scripted(silence) as issuer:
        # Variables of Azure App Service, from which azure-identity takes the issuer.
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{issuer.port}/")
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        yield issuer


async def test_a_cancelled_start_leaves_nothing(silent_issuer: Scripted) -> None:
    before = asyncio.all_tasks()
    gateway = Gateway(settings(None, resources=resources({"slow": SLOW})))
    starting = asyncio.create_task(gateway.__aenter__())
    await until(lambda: silent_issuer.connections > 0)
    serving = asyncio.all_tasks()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not [task for task in asyncio.all_tasks() - before if "Keeper" in repr(task)]
    assert serving > before


@pytest.mark.usefixtures("silent_issuer")
async def test_a_slow_token_issuer_delays_no_other() -> None:
    async with several(more={"slow": SLOW}) as running:
        await running.rooms.CreateRoom(CREATE, metadata=EU)
        slow = (("rooms-resource", "slow"),)
        failed = await failure_of(running.rooms.GetRoom(ROOM, metadata=slow))
        assert (failed.code, failed.reason) == (
            StatusCode.UNAVAILABLE,
            "ERROR_REASON_UPSTREAM_UNAVAILABLE",
        )
        assert "is being opened" in failed.message


# --- health ---------------------------------------------------------------------------------------


async def test_health_lists_each_resource() -> None:
    async with several() as running:
        await until(lambda: all(running.manager.serving.values()))
        listed = await health_of(running.channel).List(health_pb2.HealthListRequest())  # type: ignore[attr-defined] # not in the stubs
        states = {name: each.status for name, each in listed.statuses.items()}
        assert states[f"{HEALTH}eu"] == states[f"{HEALTH}us"] == states[""] == SERVING


async def test_watchers_see_an_unreachable_resource() -> None:
    async with several(upstream_probe_interval=0.05, admin_listen="127.0.0.1:0") as running:
        request = health_pb2.HealthCheckRequest(service=f"{HEALTH}us")
        watch = aiter(health_of(running.channel).Watch(request))
        states = [(await anext(watch)).status]
        if states == [NOT_SERVING]:
            states = [(await anext(watch)).status]
        assert states == [SERVING]
        running.us.faults.add(Fault(status=503, count=None))
        assert (await anext(watch)).status == NOT_SERVING
        running.us.faults.clear()
        assert (await anext(watch)).status == SERVING
        assert await status_of(running.channel) == SERVING


# --- metrics and logs -----------------------------------------------------------------------------


async def test_upstream_metrics_have_the_resource() -> None:
    async with several(admin_listen="127.0.0.1:0") as running:
        await running.rooms.CreateRoom(CREATE, metadata=EU)
        seen = await settled(running.gateway.admin_address)
        requests = "rooms_gateway_upstream_requests_total"
        assert seen.value(requests, resource="eu") == 1
        assert seen.value(requests, resource="us") == 0
        for name in (
            "rooms_gateway_pacer_rate",
            "rooms_gateway_upstream_reachable",
            "rooms_gateway_retry_budget",
        ):
            assert "resource" in seen.labels[name]
        events = "rooms_gateway_credential_events_total"
        assert seen.value(events, event="rejected", resource="us") == 0
        assert seen.value(events, event="caller_policy_read", resource="") == 0


async def test_log_lines_name_the_resource(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rooms_gateway.calls"):
        async with several() as running:
            await running.rooms.CreateRoom(CREATE, metadata=US)
    [line] = [record.getMessage() for record in caplog.records if record.name.endswith("calls")]
    assert line.endswith("resource=us")
