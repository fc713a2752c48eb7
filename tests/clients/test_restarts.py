"""Clients of each library lose no call while gateways restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from support.commands import Process, started
from support.gateways import until
from support.paths import ROOT

from rooms_emulator import Emulator
from rooms_gateway.server.kind import ServerKind

RESTARTS = int(os.environ.get("RESTARTS", "2"))
"""Restarts under load, of each gateway in turn."""

CALLS = int(os.environ.get("CALLS", "300"))
"""Calls that a gateway serves before it is restarted, at least."""

CPP, GO = ROOT / ".tools/cpp-load/load", ROOT / ".tools/go-load"
NODE = ROOT / ".tools/client-node/load.mjs"
JAVA, RUST = ROOT / "dist/clients/java-load/load.jar", ROOT / ".tools/rust-load"


@dataclass(frozen=True, slots=True)
class Client:
    """A program that calls gateways without a pause until its standard input is closed."""

    needs: tuple[str, ...]
    command: tuple[str, ...]


CLIENTS = {
    "grpc-go": Client(("go-load",), (str(GO), "grpc-health")),
    "grpc-go without health": Client(("go-load",), (str(GO), "grpc-plain")),
    "connect-go": Client(("go-load",), (str(GO), "connect")),
    "grpc++": Client(("client-cpp", "cpp-load/load"), (str(CPP),)),
    "grpc-js": Client(("client-node",), ("node", str(NODE))),
    "grpc-java": Client(("client-java-load",), ("java", "-jar", str(JAVA))),
    "tonic": Client(("rust-load",), (str(RUST),)),
}

pytestmark = pytest.mark.timeout(600)


@asynccontextmanager
async def load(client: Client, *addresses: str) -> AsyncIterator[dict[str, object]]:
    """Run the program; the result is in the yielded dictionary after the block."""
    process = await asyncio.create_subprocess_exec(
        *client.command,
        *addresses,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    result: dict[str, object] = {}
    yield result
    assert process.stdin is not None
    process.stdin.close()
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result |= json.loads(out)


async def restart(
    parts: AsyncExitStack, address: str, gateway: Process, env: dict[str, str]
) -> Process:
    gateway.signal(signal.SIGTERM)
    assert await gateway.exit_code() == 0
    again = await parts.enter_async_context(started("serve", "--listen", address, env=env))
    await serves(again)
    return again


async def serves(gateway: Process) -> None:
    """Wait until the log of a gateway has CALLS calls."""
    await until(lambda: gateway.err.count("CreateRoom") >= CALLS, 120)


@pytest.mark.parametrize("server", list(ServerKind))
@pytest.mark.parametrize("count", [1, 2], ids=["one gateway", "two gateways"])
@pytest.mark.parametrize(
    "client",
    [pytest.param(client, marks=pytest.mark.needs(*client.needs)) for client in CLIENTS.values()],
    ids=CLIENTS,
)
async def test_orderly_restarts_fail_no_call(
    emulator: Emulator, client: Client, count: int, server: ServerKind
) -> None:
    env = {
        "COMMUNICATION_CONNECTION_STRING": emulator.connection_string,
        "ROOMS_GATEWAY_SERVER": server,
    }
    async with AsyncExitStack() as parts:
        gateways, addresses = [], []
        for _ in range(count):
            listen = ("serve", "--listen", "127.0.0.1:0")
            gateway = await parts.enter_async_context(started(*listen, env=env))
            gateways.append(gateway)
            addresses.append(await gateway.address())
        async with load(client, *addresses) as result:
            for gateway in gateways:
                await serves(gateway)
            for number in range(RESTARTS):
                which = number % count
                gateways[which] = await restart(parts, addresses[which], gateways[which], env)
    print(json.dumps(result))  # noqa: T201 - for measurements
    assert result["failed"] == {}
    assert result["served"]
