"""Probes of a gateway as a process, from startup to shutdown."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.collectors import get, not_ready, scrape
from support.commands import PATIENCE, REFUSING, Process, run, started
from support.gateways import until

from rooms_emulator import Emulator, Fault

TERM, INT = signal.SIGTERM, signal.SIGINT
LONG_GRACE = "300"
"""A delay in seconds that exceeds the timeout of a test."""

PROBES = ("/startupz", "/readyz", "/livez")


async def admin_of(process: Process) -> str:
    """Wait for the log line with the address of the probes; return it."""
    prefix = "probes and metrics are on http://"

    def lines() -> list[str]:
        whole = process.err[: process.err.rfind("\n") + 1].splitlines()
        return [line for line in whole if prefix in line]

    await until(lambda: bool(lines()) or process.ended, PATIENCE)
    return str(json.loads(lines()[0])["message"]).removeprefix(prefix)


@asynccontextmanager
async def serving(emulator: Emulator, *arguments: str) -> AsyncIterator[tuple[Process, str, Any]]:
    """Run a gateway with probes; yield it, the address of its probes, and a channel."""
    async with (
        started(
            *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--connection-string", emulator.connection_string),
            *arguments,
        ) as process,
        grpc.aio.insecure_channel(await process.address()) as channel,
    ):
        yield process, await admin_of(process), channel


async def statuses(address: str) -> tuple[int, ...]:
    return tuple([(await get(address, path))[0] for path in PROBES])


async def create(channel: Any) -> None:
    await rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())


async def test_drain_delay_serves_calls_not_ready(emulator: Emulator) -> None:
    """Until a second signal, which ends it with exit code 1."""
    async with serving(emulator, "--drain-delay", LONG_GRACE) as (process, admin, channel):
        assert await statuses(admin) == (200, 200, 200)
        process.signal(TERM)
        await not_ready(admin)
        assert await statuses(admin) == (200, 503, 200)
        async with grpc.aio.insecure_channel(await process.address()) as late:
            await create(late)
        await create(channel)
        assert not process.ended
        process.signal(TERM)
        assert await process.exit_code() == 1
    assert "Traceback" not in process.err


@pytest.mark.parametrize("number", [TERM, INT], ids=lambda each: each.name)
async def test_drain_after_the_delay_is_exit_code_0(
    emulator: Emulator, number: signal.Signals
) -> None:
    """A health watch is notified, and the admin listener is closed at the end."""
    async with serving(emulator, "--drain-delay", "0.2", "--drain-grace", LONG_GRACE) as (
        process,
        admin,
        channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
        process.signal(number)
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await process.exit_code() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(admin, "/livez")
    assert "Traceback" not in process.err


@asynccontextmanager
async def waiting_for_a_token(folder: Path, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """Run a gateway whose token issuer does not respond; yield it, and the probes' address."""
    secret = folder / "secret"
    secret.write_text("canary", encoding="ascii")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        port = silent.getsockname()[1]
        async with started(
            *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--endpoint", "https://contoso.communication.azure.com", "--entra", "client-secret"),
            *("--entra-client-id", "id", "--entra-tenant-id", "tenant"),
            *("--entra-client-secret-file", secret),
            *("--entra-authority-host", f"https://127.0.0.1:{port}"),
            *arguments,
        ) as process:
            admin = await admin_of(process)
            # The token request has been sent: from here, startup waits for its timeout.
            connection, _ = await asyncio.to_thread(silent.accept)
            with connection:
                yield process, admin


@pytest.mark.parametrize(
    ("number", "flags", "code"),
    [(TERM, [], 6), (INT, [], 6), (TERM, ["--exit-zero-on-sigterm"], 0)],
)
async def test_signal_during_startup_is_exit_code_6(
    tmp_path: Path, number: signal.Signals, flags: list[str], code: int
) -> None:
    """Or 0 after SIGTERM with the flag. Without a token, only the liveness probe succeeds."""
    async with waiting_for_a_token(tmp_path, *flags) as (process, admin):
        assert await statuses(admin) == (503, 503, 200)
        process.signal(number)
        # A third of the timeout of the token request.
        async with asyncio.timeout(10):
            assert await process.exit_code() == code
    assert process.out == ""
    assert process.err.endswith("rooms-gateway: shut down by a signal during startup.\n")
    assert "Traceback" not in process.err


async def test_probes_respond_under_overload(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=3600))
    async with serving(emulator, "--max-concurrent-calls", "1", "--max-queued-calls", "0") as (
        _,
        admin,
        channel,
    ):
        busy = asyncio.ensure_future(create(channel))
        await until(lambda: len(emulator.journal) == 1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await create(channel)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await statuses(admin) == (200, 200, 200)
        seen = await scrape(admin)
        assert (
            seen.value(
                "rooms_gateway_call_failures_total", reason="ERROR_REASON_GATEWAY_OVERLOADED"
            )
            == 1
        )
        assert not busy.done()
        busy.cancel()


async def test_admin_address_in_use_is_exit_code_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as owner:
        admin = f"127.0.0.1:{owner.getsockname()[1]}"
        done = await run("serve", *REFUSING, "--listen", "127.0.0.1:0", "--admin-listen", admin)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"rooms-gateway: cannot listen on {admin}, for probes and metrics")
    assert "Traceback" not in done.err
