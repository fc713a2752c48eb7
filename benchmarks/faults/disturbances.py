"""Disturbances during the calls, in addition to the faults of the emulator."""

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

PAIRS = frozenset({"rolling", "kill", "replicas"})
"""Scenarios with two replicas."""

IDLE_STREAMS = 1000
SERVICE_CONFIG = ROOT / "deploy" / "client" / "service_config.json"

Calls = Coroutine[Any, Any, None]
Enough = Callable[[], None]
"""Called when the disturbance is over: until then, calls beyond the plan are made."""


async def restart_upstream(_system: Any, emulator: Emulator, calls: Calls, enough: Enough) -> None:
    """Restart the upstream three times."""
    running = asyncio.ensure_future(calls)
    for _ in range(3):
        await asyncio.sleep(0.3)
        await emulator.stop()
        await asyncio.sleep(0.1)
        await emulator.start()
    enough()
    await running


async def idle_streams(system: Any, _emulator: Emulator, calls: Calls, enough: Enough) -> None:
    """Hold idle streams open on ten connections, while calls are made."""
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
    """Two replicas behind one channel, with the service config that the project ships."""

    name: str
    endpoint: str
    ports: list[int]
    caller: Caller
    outputs: list[str] = field(default_factory=list)
    admin: str = ""
    details: bool = False
    replicas: list[tuple[System, AsyncExitStack]] = field(default_factory=list)

    async def __call__(self, call: Call) -> Outcome:
        """Make one call, on either replica."""
        return await self.caller(call)

    async def usage(self) -> Usage:
        """Return zeros: no process lives through the whole scenario."""
        return Usage(0, 0, 0)

    async def start(self, number: int) -> None:
        """Start a replica on its port."""
        parts = AsyncExitStack()
        port = self.ports[number]
        system = await parts.enter_async_context(started(self.name, self.endpoint, port=port))
        self.replicas[number : number + 1] = [(system, parts)]

    async def stop(self, number: int, how: signal.Signals) -> None:
        """Send a signal to a replica, and wait for its end."""
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
        # The naive gateway has no health service.
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
        # All sockets are open at once, so that the ports differ.
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in servers]


async def _replace_both(both: Any, calls: Calls, how: signal.Signals, enough: Enough) -> None:
    running = asyncio.ensure_future(calls)
    for number in range(len(both.replicas)):
        await asyncio.sleep(0.5)
        await both.stop(number, how)
        await both.start(number)
        # A rollout waits until the replica is ready, and clients need time to reconnect.
        await asyncio.sleep(1.0)
    enough()
    await running


async def roll(system: Any, _: Emulator, calls: Calls, enough: Enough) -> None:
    """Replace one replica after the other with SIGTERM."""
    await _replace_both(system, calls, signal.SIGTERM, enough)


async def kill(system: Any, _: Emulator, calls: Calls, enough: Enough) -> None:
    """Replace one replica after the other with SIGKILL."""
    await _replace_both(system, calls, signal.SIGKILL, enough)


DISTURBANCES: Mapping[str, Callable[[Any, Emulator, Calls, Enough], Awaitable[None]]] = {
    "restart": restart_upstream,
    "idle": idle_streams,
    "rolling": roll,
    "kill": kill,
}
