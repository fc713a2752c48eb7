"""What clients can make a gateway process hold fits into the memory of the sidecar's manifest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.error_reason_pb2 import ERROR_REASON_REQUEST_INVALID
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from support.collectors import get, scrape
from support.commands import COMMAND, PATIENCE, Process, started
from support.contract import METHODS, filled, repeated_fields
from support.gateways import collect, failure_of, until
from support.http2 import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_OF_0,
    frame,
    frames,
    header_frames,
    headers_of,
    message,
)
from support.paths import ROOT
from support.samples import INVALID

from rooms_emulator import Emulator
from rooms_gateway.server.options import MAX_REQUEST_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = 100
"""Streams of a connection."""

MANIFEST = (ROOT / "deploy/kubernetes/sidecar/deployment.yaml").read_text(encoding="utf-8")
MEMORY = int(re.findall(r"limits:\s+memory: (\d+)Mi", MANIFEST)[0]) * 1024 * 1024


@dataclass(slots=True)
class Target:
    """A gateway as a process, and connections of clients that read no message."""

    process: Process
    address: str
    admin: str
    room: str
    clients: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.rpartition(":")
        self.clients.append(await asyncio.open_connection(host, int(port)))
        return self.clients[-1]

    async def flood(self, path: str, request: Message, *, calls: int, kept: int) -> None:
        """Make `calls` calls; return when all but `kept` have a status."""
        body = message(request.SerializeToString())
        readers = []
        for _ in range(calls // STREAMS):
            reader, writer = await self.connect()
            readers.append(reader)
            writer.write(PREFACE + frame(SETTINGS, 0, 0, WINDOW_OF_0))
            for stream in range(1, 2 * STREAMS, 2):
                writer.write(header_frames(stream, headers_of(path).items()))
                writer.write(frame(DATA, END_STREAM, stream, body))
        ended, enough = 0, asyncio.Event()

        async def count(reader: asyncio.StreamReader) -> None:
            nonlocal ended
            async for kind, flags, _, _ in frames(reader):
                assert kind not in {RST_STREAM, GOAWAY}
                ended += kind == HEADERS and bool(flags & END_STREAM)
                if ended == calls - kept:
                    enough.set()

        counting = [asyncio.ensure_future(count(reader)) for reader in readers]
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        for task in counting:
            task.cancel()

    async def value(self, name: str) -> float:
        return (await scrape(self.admin)).value(name)

    def peak(self) -> int:
        """Return the peak resident memory of the process, in bytes."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@asynccontextmanager
async def running(
    emulator: Emulator, *arguments: str, program: str = COMMAND
) -> AsyncIterator[Target]:
    async with started(
        *arguments,
        *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--enable-legacy"),
        env={"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
        program=program,
    ) as process:
        address = await process.address()
        admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        [room] = emulator.store.seed(1, participants=350)
        target = Target(process, address, admin, room)
        yield target
        assert (await get(admin, "/livez"))[0] == 200
        for _, writer in target.clients:
            writer.transport.abort()


@pytest_asyncio.fixture(loop_scope="module")
async def target() -> AsyncIterator[Target]:
    """Run a gateway; check afterwards that it has needed no more memory than it may."""
    async with Emulator() as emulator, running(emulator) as target:
        yield target
        assert target.peak() < MEMORY


@pytest.mark.proves("S76")
async def test_largest_wrong_requests_fit(target: Target) -> None:
    """Every repeated field is full of its smallest item; also of an RPC that is added later."""
    before = target.peak()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target.address, options) as channel:
        for method in METHODS:
            for path, _ in repeated_fields(method.input_type):
                wrong = filled(method.input_type, path, MAX_REQUEST_BYTES // 2 - 10)
                if method.client_streaming:
                    [result] = await call_of(channel, method, wrong)
                    assert result.error.reason == ERROR_REASON_REQUEST_INVALID
                    continue
                failed = await failure_of(call_of(channel, method, wrong))
                assert (failed.code, failed.reason) == INVALID
                assert len(failed.violations) == 1
    assert target.peak() < before + 32 * 1024 * 1024


async def call_of(channel: grpc.aio.Channel, method: MethodDescriptor, request: Message) -> Any:
    untyped: Any = channel
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.client_streaming:
        parse = GetMessageClass(method.output_type).FromString
        return await collect(
            untyped.stream_stream(path, response_deserializer=parse)(
                iter([request.SerializeToString()])
            )
        )
    if method.server_streaming:
        return await collect(untyped.unary_stream(path)(request.SerializeToString()))
    return await untyped.unary_unary(path)(request.SerializeToString())


@pytest.mark.proves("S77")
async def test_unread_reflection_fits(target: Target) -> None:
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    request = ServerReflectionRequest(file_containing_symbol="acs.rooms.v1.RoomsService")
    await target.flood(path, request, calls=1100, kept=10)
    assert await target.value("rooms_gateway_reflection_streams") == 10


@pytest.mark.proves("S78")
async def test_health_watches_fit(target: Target) -> None:
    await target.flood("/grpc.health.v1.Health/Watch", HealthCheckRequest(), calls=4000, kept=100)
    assert await target.value("rooms_gateway_health_watches") == 100


@pytest.mark.proves("S14")
async def test_unread_responses_fit(target: Target) -> None:
    """Calls that have a slot, or wait for one, are kept; all others are rejected."""
    request = GetRoomRequest(room_id=target.room, include_participants=True)
    await target.flood("/acs.rooms.v1.RoomsService/GetRoom", request, calls=4000, kept=1000)
    async with asyncio.timeout(PATIENCE):
        while await target.value("rooms_gateway_unread_responses") < 200:
            await asyncio.sleep(0.05)
    assert await target.value("rooms_gateway_unread_responses") == 200
    assert await target.value("rooms_gateway_calls_queued") == 800


FILES = 828
"""Open files that a process may have: 692 of them for the upstream and probes."""


@pytest.mark.proves("S79")
async def test_connections_leave_descriptors() -> None:
    """Probes and calls work while clients open more connections than there are descriptors."""
    limit = (f"--nofile={FILES}:{FILES}", COMMAND)
    async with Emulator() as emulator, running(emulator, *limit, program="prlimit") as target:
        assert "only 136 clients can connect to each address, not 1000" in target.process.err
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(target.address, options) as channel:
            rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            request = GetRoomRequest(room_id=target.room)
            assert (await rooms.GetRoom(request)).room.id == target.room
            ends = []
            for _ in range(FILES):
                reader, writer = await target.connect()
                writer.write(PREFACE + frame(SETTINGS, 0, 0))
                ends.append(asyncio.ensure_future(reader.read()))
            await until(lambda: sum(end.done() for end in ends) >= FILES - 136)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            assert (await rooms.GetRoom(request)).room.id == target.room
