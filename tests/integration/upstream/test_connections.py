"""Settings of server connections: streams, ping interval, maximum age, names of options."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from grpc._cython import cygrpc  # type: ignore[attr-defined] # not in the stubs
from support.gateways import SERVER, SERVING, gateway_for, status_of
from support.http2 import PREFACE, RST_STREAM, SETTINGS, frame, frames, header_frames, headers_of

import rooms_gateway
from rooms_emulator import Emulator, Fault
from rooms_gateway import app
from rooms_gateway.server.kind import ServerKind
from rooms_gateway.server.options import server_limits, server_options

PING, GOAWAY, ACK = 6, 7, 1
REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11
MAX_CONCURRENT_STREAMS = 3
WATCH = "/grpc.health.v1.Health/Watch"


@pytest.mark.proves("S9")
def test_grpc_knows_every_channel_option() -> None:
    # grpc ignores unknown names silently.
    library = Path(cygrpc.__file__).read_bytes()
    sources = Path(rooms_gateway.__file__).parent.rglob("*.py")
    names = {
        name for source in sources for name in re.findall(r'\("(grpc\.[\w.]+)"', source.read_text())
    }
    passed = {
        name for name, _ in server_options(max_calls=1, max_connections=1, max_connection_age=1)
    }
    assert len(passed) == 15
    assert passed <= names
    assert [name for name in names if f"{name}\0".encode() not in library] == []
    assert b"grpc.http2.min_recv_ping_interval_without_data_ms\0" not in library


async def test_grpc_accepts_huge_settings(emulator: Emulator) -> None:
    huge: dict[str, Any] = {
        "max_queued_calls": 10**12,
        "max_client_connections": 10**12,
        "max_connection_age": 1e12,
    }
    async with gateway_for(emulator, **huge) as running:
        assert await status_of(running.channel) == SERVING


@pytest.mark.proves("S80")
async def test_connection_has_at_most_100_streams(emulator: Emulator) -> None:
    """The server announces the limit, and refuses a further stream that is opened nevertheless."""
    code = REFUSED_STREAM if SERVER is ServerKind.LOOP else ENHANCE_YOUR_CALM
    async with gateway_for(emulator) as running:
        host, _, port = running.gateway.addresses[0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frame(SETTINGS, 0, 0))
        for stream in range(1, 203, 2):
            writer.write(header_frames(stream, headers_of(WATCH).items()))
        announced: dict[int, int] = {}
        async with asyncio.timeout(30), aclosing(frames(reader)) as received:
            async for kind, _, stream, payload in received:
                if kind == SETTINGS:
                    announced |= dict(struct.iter_unpack(">HI", payload))
                if kind == RST_STREAM:
                    refused = stream, payload
                    break
        assert announced[MAX_CONCURRENT_STREAMS] == 100
        assert refused == (201, struct.pack(">I", code))
        writer.close()


async def test_calls_beyond_the_streams_wait(emulator: Emulator) -> None:
    """A client with more calls than streams waits for a free one, and no call fails."""
    [room] = emulator.store.seed(1)
    emulator.faults.add(Fault(latency=0.01, count=None))
    async with gateway_for(emulator) as running:
        request = GetRoomRequest(room_id=room)

        async def call_repeatedly() -> None:
            for _ in range(2):
                await running.rooms.GetRoom(request)

        await asyncio.gather(*(call_repeatedly() for _ in range(300)))


class Pinging:
    """A client without calls that sends pings, in hand-written frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))

    async def ping(self) -> bool:
        """Send a ping and return whether it was accepted; False: the server sent GOAWAY."""
        self._writer.write(frame(PING, 0, 0, b"12345678"))
        while True:
            head = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == PING and head[4] == ACK:
                return True
            if head[3] == GOAWAY:
                [_, code] = struct.unpack(">II", payload[:8])
                assert code == ENHANCE_YOUR_CALM
                assert payload[8:] == b"too_many_pings"
                return False


@asynccontextmanager
async def pinging(address: str) -> AsyncIterator[Pinging]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    yield Pinging(reader, writer)
    writer.close()


@pytest.mark.proves("S15")
async def test_too_many_pings_end_the_connection(
    emulator: Emulator,
) -> None:
    """The server sends GOAWAY with ENHANCE_YOUR_CALM."""
    async with (
        gateway_for(emulator) as running,
        pinging(running.gateway.addresses[0]) as client,
    ):
        accepted = [await client.ping() for _ in range(3)]
        while accepted[-1]:
            accepted.append(await client.ping())
        # gRPC accepts two pings above its limit.
        assert len(accepted) <= 5


async def test_pings_within_the_interval_are_accepted(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a connection without calls."""
    for limits in (server_options, server_limits):
        monkeypatch.setattr(app, limits.__name__, partial(limits, min_ping_interval=0.02))
    async with (
        gateway_for(emulator) as running,
        pinging(running.gateway.addresses[0]) as client,
    ):
        for _ in range(15):
            assert await client.ping()
            await asyncio.sleep(0.03)


def test_a_client_may_ping_every_10_seconds() -> None:
    allowed = dict(server_options(max_calls=1, max_connections=1))[
        "grpc.http2.min_ping_interval_without_data_ms"
    ]
    # Timers and networks delay pings, so the server needs a margin.
    assert allowed <= 9_000


@asynccontextmanager
async def relay(address: str) -> AsyncIterator[tuple[str, list[None]]]:
    """Forward connections to `address` and record each."""
    host, _, port = address.rpartition(":")
    seen: list[None] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(None)
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(forward(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_max_connection_age_fails_no_call(
    emulator: Emulator,
) -> None:
    """Clients reconnect when a connection reaches its maximum age."""
    [room] = emulator.store.seed(1)
    async with (
        gateway_for(emulator, max_connection_age=0.1) as running,
        relay(running.gateway.addresses[0]) as (address, connections),
        grpc.aio.insecure_channel(address) as channel,
    ):
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)

        async def work() -> None:
            while len(connections) < 10:
                assert (await rooms.GetRoom(GetRoomRequest(room_id=room))).room.id == room

        async with asyncio.timeout(60):
            await asyncio.gather(*(work() for _ in range(8)))
    assert len(connections) >= 10
