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
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.collectors import get, not_ready, scrape
from support.commands import PATIENCE, Process, run, started
from support.gateways import until

from rooms_emulator import Emulator, Fault

TERM, INT = signal.SIGTERM, signal.SIGINT
LONG_GRACE = "300"
"""A delay in seconds that a shutdown cannot wait for without a failure of the test."""

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
    await rooms_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())


@pytest.mark.parametrize("number", [TERM, INT], ids=lambda each: each.name)
async def test_probes_from_ready_to_drain(emulator: Emulator, number: signal.Signals) -> None:
    async with serving(emulator, "--drain-delay", "1") as (process, admin, channel):
        assert await statuses(admin) == (200, 200, 200)
        process.signal(number)
        await not_ready(admin)
        assert await statuses(admin) == (200, 503, 200)
        async with grpc.aio.insecure_channel(await process.address()) as late:
            await create(late)
        await create(channel)
        assert not process.ended
        assert await process.exit_code() == 0
    assert "Traceback" not in process.err


async def test_health_watch_is_notified_of_the_drain(emulator: Emulator) -> None:
    async with serving(emulator, "--drain-delay", "0.2", "--drain-grace", LONG_GRACE) as (
        process,
        _,
        channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = aiter(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
        process.signal(TERM)
        assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await process.exit_code() == 0


async def test_second_signal_in_drain_delay_forces_exit(
    emulator: Emulator,
) -> None:
    async with serving(emulator, "--drain-delay", LONG_GRACE) as (process, admin, _):
        process.signal(TERM)
        await not_ready(admin)
        process.signal(TERM)
        assert await process.exit_code() == 1
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


async def test_startup_without_a_token_is_alive_only(
    tmp_path: Path,
) -> None:
    async with waiting_for_a_token(tmp_path) as (process, admin):
        assert await statuses(admin) == (503, 503, 200)
        assert process.out == ""


@pytest.mark.parametrize(
    ("number", "flags", "code"),
    [(TERM, [], 6), (INT, [], 6), (TERM, ["--exit-zero-on-sigterm"], 0)],
)
async def test_signal_during_startup_is_exit_code_6(
    tmp_path: Path, number: signal.Signals, flags: list[str], code: int
) -> None:
    async with waiting_for_a_token(tmp_path, *flags) as (process, _):
        process.signal(number)
        # A third of the timeout of the token request.
        async with asyncio.timeout(10):
            assert await process.exit_code() == code
    assert process.out == ""
    assert process.err.endswith("rooms-gateway: shut down by a signal during startup.\n")
    assert "Traceback" not in process.err


async def test_probes_respond_under_overload(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=1.0))
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
        assert seen.value("rooms_gateway_call_failures_total", reason="GATEWAY_OVERLOADED") == 1
        await busy


async def test_admin_address_in_use_is_exit_code_3(
    emulator: Emulator,
) -> None:
    async with serving(emulator) as (_, admin, __):
        second = await run(
            "serve", "--emulator", "--listen", "127.0.0.1:0", "--admin-listen", admin
        )
    assert (second.code, second.out) == (3, "")
    assert second.err.startswith(f"rooms-gateway: cannot listen on {admin}, for probes and metrics")
    assert "Traceback" not in second.err


async def test_remote_admin_address_needs_a_flag() -> None:
    done = await run("serve", "--emulator", "--admin-listen", "0.0.0.0:9464", "--allow-plaintext")
    assert done.code == 2
    assert "pass --admin-allow-remote" in done.err
    assert "--admin-listen: 0.0.0.0:9464 is reachable from other hosts" in done.err


async def test_admin_listener_is_closed_after_the_end(emulator: Emulator) -> None:
    async with serving(emulator) as (process, admin, _):
        process.signal(TERM)
        assert await process.exit_code() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(admin, "/livez")
