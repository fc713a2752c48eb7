"""What happens while calls are made, beside the faults of the emulator."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.faults.calls import Call
from benchmarks.faults.grpc_caller import GrpcCaller
from benchmarks.faults.systems import ROOT, Caller, System, Usage, started
from benchmarks.faults.verdicts import Outcome
from rooms_emulator import Emulator

PAIRS = frozenset({"rolling", "kill"})
"""Specials that need two replicas."""

IDLE_STREAMS = 1000
SERVICE_CONFIG = ROOT / "deploy" / "client" / "service_config.json"

Calls = Coroutine[Any, Any, None]
Enough = Callable[[], None]
"""Says that no more calls are needed than were planned; until then there are always more."""


async def restart_service(_system: Any, emulator: Emulator, calls: Calls, enough: Enough) -> None:
    """Stop the service and start it, three times."""
    running = asyncio.ensure_future(calls)
    for _ in range(3):
        await asyncio.sleep(0.3)
        await emulator.stop()
        await asyncio.sleep(0.1)
        await emulator.start()
    enough()
    await running


async def idle_streams(system: Any, _emulator: Emulator, calls: Calls, enough: Enough) -> None:
    """Hold streams open on which nothing comes, over some connections, while calls are made."""
    async with AsyncExitStack() as parts:
        watchers = []
        for _ in range(10):
            own = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.aio.insecure_channel(system.address, own)
            await parts.enter_async_context(channel)
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for _ in range(IDLE_STREAMS // 10):
                watcher = stub.Watch(health_pb2.HealthCheckRequest())
                watchers.append(watcher)
        await asyncio.gather(*(watcher.read() for watcher in watchers))
        enough()
        await calls


@dataclass(slots=True)
class Pair:
    """Two replicas behind one channel, as a caller with the shipped configuration has them."""

    name: str
    endpoint: str
    ports: list[int]
    caller: Caller
    outputs: list[str] = field(default_factory=list)
    admin: str = ""
    details: bool = False
    replicas: list[tuple[System, AsyncExitStack]] = field(default_factory=list)

    async def __call__(self, call: Call) -> Outcome:
        """Make one call, on whichever replica."""
        return await self.caller(call)

    async def usage(self) -> Usage:
        """Say nothing: no process lives through the scenario."""
        return Usage(0, 0, 0)

    async def start(self, number: int) -> None:
        """Start a replica on its port."""
        parts = AsyncExitStack()
        port = self.ports[number]
        system = await parts.enter_async_context(started(self.name, self.endpoint, port=port))
        self.replicas[number : number + 1] = [(system, parts)]

    async def stop(self, number: int, how: signal.Signals) -> None:
        """End a replica, and wait for its end."""
        system, parts = self.replicas[number]
        if system.process.returncode is None:
            system.process.send_signal(how)
            await system.process.wait()
        await parts.aclose()
        self.outputs += system.outputs


@asynccontextmanager
async def pair(
    name: str, endpoint: str, *, env: Mapping[str, str] | None = None
) -> AsyncIterator[Pair]:
    """Start two replicas."""
    del env
    config = SERVICE_CONFIG.read_text()
    if name != "gateway":
        # It has no health service to ask.
        config = config.replace('"healthCheckConfig": { "serviceName": "" },', "")
    ports = _free_ports(2)
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    options = [("grpc.service_config", config), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options) as channel:
        both = Pair(name, endpoint, ports, GrpcCaller(channel))
        try:
            for number in range(len(ports)):
                await both.start(number)
            yield both
        finally:
            for number in range(len(both.replicas)):
                await both.stop(number, signal.SIGTERM)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        # All held at once, so that they differ.
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in servers]


async def _replace_both(both: Any, calls: Calls, how: signal.Signals, enough: Enough) -> None:
    running = asyncio.ensure_future(calls)
    for number in range(len(both.replicas)):
        await asyncio.sleep(0.5)
        await both.stop(number, how)
        await both.start(number)
        # As a rollout waits until a replica is ready, and is found to be by its callers.
        await asyncio.sleep(1.0)
    enough()
    await running


async def roll(system: Any, _: Emulator, calls: Calls, enough: Enough) -> None:
    """Replace one replica after the other, politely."""
    await _replace_both(system, calls, signal.SIGTERM, enough)


async def kill(system: Any, _: Emulator, calls: Calls, enough: Enough) -> None:
    """Replace one replica after the other, brutally."""
    await _replace_both(system, calls, signal.SIGKILL, enough)


DISTURBANCES: Mapping[str, Callable[[Any, Emulator, Calls, Enough], Awaitable[None]]] = {
    "restart": restart_service,
    "idle": idle_streams,
    "rolling": roll,
    "kill": kill,
}
