"""deploy/client/service_config.json: retries of a client while gateways restart."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2, rooms_service_pb2_grpc
from google.protobuf.descriptor_pb2 import MethodDescriptorProto, MethodOptions
from support.collectors import scrape
from support.commands import Process, started
from support.contract import METHODS
from support.gateways import gateway_for, until
from support.paths import ROOT

from rooms_emulator import Emulator, Fault

if TYPE_CHECKING:
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub

CONFIG = ROOT / "deploy/client/service_config.json"
TEXT = CONFIG.read_text(encoding="utf-8")


def names(*, retried: bool) -> list[str]:
    return [
        f"{name['service']}.{name['method']}"
        for group in json.loads(TEXT)["methodConfig"]
        for name in group["name"]
        if ("retryPolicy" in group) == retried
    ]


def is_safe(method: Any) -> bool:
    level = method.GetOptions().idempotency_level
    return level in (MethodOptions.IDEMPOTENT, MethodOptions.NO_SIDE_EFFECTS)


def test_only_idempotent_rpcs_are_retried() -> None:
    # gRPC retries no stream after its first response, and would buffer the items until then.
    safe = sorted(
        method.full_name for method in METHODS if is_safe(method) and not method.client_streaming
    )
    assert sorted(names(retried=True)) == safe


def test_every_rpc_is_configured_once() -> None:
    named = names(retried=True) + names(retried=False)
    assert sorted(named) == sorted(method.full_name for method in METHODS)


def test_streams_have_the_longer_timeout() -> None:
    streams = set()
    for method in METHODS:
        proto = MethodDescriptorProto()
        method.CopyToProto(proto)
        if proto.server_streaming and not proto.client_streaming:
            streams.add(method.full_name)
    by_timeout: dict[str, set[str]] = {}
    for group in json.loads(TEXT)["methodConfig"]:
        found = by_timeout.setdefault(group.get("timeout", "none"), set())
        found |= {f"{name['service']}.{name['method']}" for name in group["name"]}
    assert set(by_timeout) == {"30s", "300s", "none"}
    assert all(".Bulk" in name for name in by_timeout["none"])
    assert by_timeout["300s"] == streams


def test_only_retryable_statuses_are_retried() -> None:
    policies = [g["retryPolicy"] for g in json.loads(TEXT)["methodConfig"] if "retryPolicy" in g]
    # The pushback of the gateway decides whether RESOURCE_EXHAUSTED is retried. grpc ends calls as
    # CANCELLED that arrive while a server shuts down.
    codes = ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"]
    assert [policy["retryableStatusCodes"] for policy in policies] == [codes] * 2


@asynccontextmanager
async def client(*addresses: str, own_connection: bool = False) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to gateways, by addresses as of a headless Service, with the file."""
    options = [
        ("grpc.service_config", TEXT),
        # The default backoff of a second would delay the test.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 100),
        ("grpc.use_local_subchannel_pool", int(own_connection)),
    ]
    async with grpc.aio.insecure_channel(f"ipv4:{','.join(addresses)}", options) as channel:
        yield channel


async def test_client_retry_of_a_create_makes_one_room(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", drop="after"))
    # With one attempt of the gateway, the retry is the client's.
    async with (
        gateway_for(emulator, max_attempts=1) as running,
        client(running.gateway.addresses[0]) as channel,
    ):
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        response = await rooms.CreateRoom(rooms_pb2.CreateRoomRequest(request_id=str(uuid.uuid4())))
        assert running.requests("CreateRoom") == 2
    assert response.room.id
    assert len(emulator.store) == 1


async def test_call_waits_for_a_gateway_to_start(emulator: Emulator) -> None:
    async with gateway_for(emulator) as running:
        address = running.gateway.addresses[0]
    async with client(address) as channel:
        call = rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(
            rooms_pb2.CreateRoomRequest()
        )
        await until(lambda: channel.get_state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        async with gateway_for(emulator, listen=(address,)):
            assert (await call).room.id


async def test_rejected_call_is_retried_after_pushback(emulator: Emulator) -> None:
    """After the delay that the gateway sends, which is longer than the backoff of the file."""
    emulator.faults.add(Fault(operation="CreateRoom", latency=3600))
    others: dict[str, Any] = {"max_concurrent_calls": 1, "max_queued_calls": 0}
    async with (
        gateway_for(emulator, admin_listen="127.0.0.1:0", **others) as running,
        client(running.gateway.addresses[0]) as channel,
    ):
        busy = running.rooms.CreateRoom(rooms_pb2.CreateRoomRequest())
        await until(lambda: running.requests() == 1)
        begun = asyncio.get_running_loop().time()
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        retried = asyncio.ensure_future(_create(rooms))
        while not (await scrape(running.gateway.admin_address)).total(
            "rooms_gateway_call_failures_total", reason="ERROR_REASON_GATEWAY_OVERLOADED"
        ):
            await asyncio.sleep(0.01)
        busy.cancel()
        assert (await retried).room.id
        assert asyncio.get_running_loop().time() - begun >= 0.45


async def _create(rooms: RoomsServiceAsyncStub) -> rooms_pb2.CreateRoomResponse:
    return await rooms.CreateRoom(rooms_pb2.CreateRoomRequest())


async def test_throttled_call_is_not_retried(emulator: Emulator) -> None:
    emulator.faults.add(Fault(status=429, headers={"Retry-After": "3600"}, count=None))
    async with (
        gateway_for(emulator) as running,
        client(running.gateway.addresses[0]) as channel,
    ):
        call = rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(
            rooms_pb2.CreateRoomRequest()
        )
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert running.requests() == 1


@dataclass(slots=True)
class Load:
    """A client that creates, reads and lists rooms all the time, and collects failures."""

    channel: grpc.aio.Channel
    created: int = 0
    resumed: int = 0
    """Lists that failed after a page."""
    failures: list[grpc.aio.AioRpcError] = field(default_factory=list)
    stopped: bool = False

    async def work(self) -> None:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(self.channel)
        while not self.stopped:
            create = rooms_pb2.CreateRoomRequest(request_id=str(uuid.uuid4()))
            try:
                room = (await rooms.CreateRoom(create)).room
                self.created += 1
                found = await rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id=room.id))
                assert found.room == room
                await self.read(rooms, rooms_pb2.ListRoomsRequest(max_pages=2))
            except grpc.aio.AioRpcError as error:
                self.failures.append(error)
            # Leaves CPU time to the gateways that start.
            await asyncio.sleep(0.02)

    async def read(self, rooms: RoomsServiceAsyncStub, request: rooms_pb2.ListRoomsRequest) -> None:
        """Read a list; resume it if it fails after a page, which gRPC does not retry."""
        last = None
        try:
            async for page in rooms.ListRooms(request):
                last = page
        except grpc.aio.AioRpcError as error:
            if last is None or error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            self.resumed += 1
            if last.next_page_token:
                again = rooms_pb2.ListRoomsRequest(page_token=last.next_page_token, max_pages=1)
                await self.read(rooms, again)


@asynccontextmanager
async def under_load(channel: grpc.aio.Channel) -> AsyncIterator[Load]:
    """Keep four callers busy on `channel`."""
    load = Load(channel)
    async with asyncio.TaskGroup() as workers:
        for _ in range(4):
            workers.create_task(load.work())
        try:
            yield load
        finally:
            load.stopped = True


async def serves(gateway: Process) -> None:
    """Wait until the log of a gateway has a create."""
    await until(lambda: "CreateRoom" in gateway.err)


async def test_calls_are_spread_over_all_gateways(emulator: Emulator) -> None:
    upstream = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}
    listen = ("serve", "--listen", "127.0.0.1:0")
    async with started(*listen, env=upstream) as one, started(*listen, env=upstream) as other:
        addresses = [await one.address(), await other.address()]
        async with client(*addresses) as channel, under_load(channel) as load:
            await serves(one)
            await serves(other)
    assert load.failures == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_rolling_restart_under_load_fails_no_call(
    emulator: Emulator, how: signal.Signals
) -> None:
    upstream = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}

    async def start(parts: AsyncExitStack, address: str) -> tuple[Process, str]:
        options = ("--listen", address, "--drain-delay", "0.2")
        gateway = await parts.enter_async_context(started("serve", *options, env=upstream))
        return gateway, await gateway.address()

    async with AsyncExitStack() as parts:
        gateways = [await start(parts, "127.0.0.1:0") for _ in range(2)]
        channel = await parts.enter_async_context(client(*(address for _, address in gateways)))
        async with under_load(channel) as load:
            for gateway, address in gateways:
                await serves(gateway)
                gateway.signal(how)
                assert await gateway.exit_code() == (0 if how is signal.SIGTERM else -how)
                again, _ = await start(parts, address)
                # Before the other shuts down.
                await serves(again)
    assert load.failures == []
    assert load.created == len(emulator.store)
    # A gateway that drains ends no list.
    assert how is signal.SIGKILL or load.resumed == 0


async def test_rolling_restart_on_a_shared_port(
    emulator: Emulator,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    upstream = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}

    async def start(parts: AsyncExitStack) -> Process:
        options = ("serve", "--listen", address, "--reuse-port", "--drain-delay", "0.2")
        gateway = await parts.enter_async_context(started(*options, env=upstream))
        await gateway.address()
        return gateway

    async with AsyncExitStack() as parts, AsyncExitStack() as clients:
        gateways = [await start(parts) for _ in range(2)]
        loads = []
        # The kernel gives each connection to one process: of so many, both get some.
        for _ in range(8):
            channel = await clients.enter_async_context(client(address, own_connection=True))
            loads.append(await clients.enter_async_context(under_load(channel)))
        for gateway in gateways:
            # Before either shuts down.
            await serves(gateway)
            gateway.signal(signal.SIGTERM)
            assert await gateway.exit_code() == 0
            await start(parts)
    assert [load.failures for load in loads] == [[]] * len(loads)
    assert sum(load.created for load in loads) == len(emulator.store)
    assert [load.resumed for load in loads] == [0] * len(loads)
