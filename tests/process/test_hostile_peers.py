"""Clients that violate HTTP/2 or gRPC: a gateway process continues to serve all others."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from grpc import StatusCode
from support.collectors import get, scrape, settled
from support.commands import PATIENCE, Process, started
from support.gateways import collect, failure_of, until
from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_OF_0,
    WINDOW_UPDATE,
    Headers,
    frame,
    frames,
    header_frames,
    headers_of,
    message,
    unary_call,
)

from rooms_emulator import Emulator
from rooms_gateway.server.options import MAX_REQUEST_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET, LIST = (f"/acs.rooms.v1.RoomsService/{name}" for name in ("GetRoom", "ListRooms"))
CREATE = "/acs.rooms.v1.RoomsService/CreateRoom"
MARK = "hostile-mark"
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway as a process, and the room that its emulator has."""

    process: Process
    emulator: Emulator
    address: str
    admin: str
    room: str

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def send(self, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and send, even if the gateway closes the connection early."""
        reader, writer = await self.connect()
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        return reader, writer

    def call(self, path: str = GET, headers: Headers | None = None) -> bytes:
        return unary_call(path, GetRoomRequest(room_id=self.room), headers)

    @property
    def memory(self) -> int:
        """Resident memory of the process, in bytes."""
        pages = Path(f"/proc/{self.process.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        """Number of open file descriptors of the process."""
        return sum(1 for _ in Path(f"/proc/{self.process.process.pid}/fd").iterdir())

    async def in_flight(self) -> float:
        return (await scrape(self.admin)).value("rooms_gateway_calls_in_flight")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Target]:
    async with (
        Emulator() as emulator,
        started(
            *("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--log-format", "json", "--log-level", "debug"),
            env={"COMMUNICATION_CONNECTION_STRING": emulator.connection_string},
        ) as process,
    ):
        address = await process.address()
        await until(lambda: "metrics are on http://" in process.err)
        admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        [room] = emulator.store.seed(1)
        yield Target(process, emulator, address, admin, room)


@pytest_asyncio.fixture(loop_scope="module")
async def target(running: Target) -> AsyncIterator[Target]:
    """Yield the gateway; check afterwards that it serves, and its log for injected lines."""
    await _serves(running)
    before = running.process.err.rfind("\n") + 1
    yield running
    await _serves(running)
    async with asyncio.timeout(PATIENCE):
        while await running.in_flight():
            await asyncio.sleep(0.02)
    assert not running.process.ended
    written = running.process.err[before:]
    for line in written[: written.rfind("\n")].split("\n"):
        assert isinstance(json.loads(line), dict), line
        assert line.isprintable(), line
    assert MARK not in written


async def _serves(target: Target) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target.address, options) as channel:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        request = GetRoomRequest(room_id=target.room)
        assert (await rooms.GetRoom(request)).room.id == target.room
    assert (await get(target.admin, "/livez"))[0] == 200


async def ended(reader: asyncio.StreamReader, stream: int = 1) -> str:
    """Wait for the end of a stream or its connection; return its kind."""
    async with asyncio.timeout(PATIENCE):
        async for kind, flags, number, _ in frames(reader):
            if kind == GOAWAY:
                return "goaway"
            if kind == PING and flags & ACK:
                return "continues"
            if number == stream and kind == RST_STREAM:
                return "reset"
            if number == stream and kind in {HEADERS, DATA} and flags & END_STREAM:
                return "status"
    return "closed"


NAMES = ("x-request-id", "traceparent", "tracestate", "authorization", "user-agent", "x-anything")

VALUES = {
    "carriage-return": b"\rx-injected: 1",
    "line-feed": b'\n{"injected": 1}',
    "null": b"\0",
    "escape": b"\x1b[2J\x1b]0;owned\x07",
    "latin-1": b"\xe9\xff",
    "large": b"x" * 20_000,
}


@pytest.mark.proves("S6")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", NAMES)
async def test_metadata_reaches_no_log_and_no_upstream(
    target: Target, name: str, value: bytes
) -> None:
    seen = len(list(target.emulator.journal))
    reader, writer = await target.send(target.call(headers={name: MARK.encode() + value}))
    # gRPC itself rejects some.
    assert await ended(reader) in {"status", "reset", "goaway", "closed"}
    writer.close()
    sent = list(target.emulator.journal)[seen:]
    assert all(MARK not in str(entry) for entry in sent)


@pytest.mark.proves("S7")
async def test_thousand_metadata_entries_end_the_call(target: Target) -> None:
    reader, writer = await target.send(
        target.call(headers={f"x-{number}": f"{MARK}{number}" for number in range(1000)})
    )
    assert await ended(reader) in {"status", "reset"}
    writer.close()


@pytest.mark.proves("S8")
async def test_rapid_resets_leave_nothing_behind(
    target: Target,
) -> None:
    before = target.memory
    request = message(GetRoomRequest(room_id=target.room).SerializeToString())
    named = headers_of(GET, None).items()

    def flood(streams: Iterable[int]) -> bytes:
        return b"".join(
            header_frames(stream, named)
            + frame(DATA, END_STREAM, stream, request)
            + frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
            for stream in streams
        )

    reader, writer = await target.send(
        PREFACE,
        frame(SETTINGS, 0, 0),
        *(flood(range(first, first + 200, 2)) for first in range(1, 10_001, 200)),
        frame(PING, 0, 0, bytes(8)),
    )
    await _serves(target)
    assert await ended(reader, stream=0) in {"goaway", "closed", "continues"}
    writer.close()
    assert target.memory < before + 64 * MEBIBYTE


FLOOD = 20_000
BEGIN = PREFACE + frame(SETTINGS, 0, 0)

BROKEN: dict[str, Callable[[Target], bytes]] = {
    "http/1.1": lambda _: b"GET / HTTP/1.1\r\nhost: x\r\nx-mark: " + MARK.encode() + b"\r\n\r\n",
    "tls": lambda _: bytes.fromhex("16030100c8010000c40303") + bytes(range(196)),
    "wrong-preface": lambda _: PREFACE.replace(b"SM", b"XX") + frame(SETTINGS, 0, 0),
    "bytes-of-no-protocol": lambda _: bytes(range(256)) * 64,
    "oversize-frame": lambda _: BEGIN + b"\xff\xff\xff" + frame(DATA, 0, 1)[3:] + bytes(70_000),
    "data-before-headers": lambda _: BEGIN + frame(DATA, 0, 1, b"x" * 100),
    "headers-on-stream-0": lambda _: BEGIN + frame(HEADERS, END_HEADERS, 0, b"\x82"),
    "an-even-stream": lambda _: BEGIN + header_frames(2, headers_of(GET).items()),
    "broken-hpack": lambda _: BEGIN + frame(HEADERS, END_HEADERS, 1, b"\xff" * 50),
    "continuation-without-headers": lambda _: BEGIN + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
    "ping-within-headers": lambda _: (
        BEGIN + frame(HEADERS, 0, 1, b"\x82") + frame(PING, 0, 0, bytes(8))
    ),
    "endless-continuation": lambda _: (
        BEGIN
        + frame(HEADERS, 0, 1, b"")
        + frame(CONTINUATION, 0, 1, b"\0\x01a\x7f\x81\x7f" + b"x" * 16_000) * 500
    ),
    "window-overflow": lambda _: (
        BEGIN + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFF_FFFF)) * 2
    ),
    "window-update-of-0": lambda _: BEGIN + frame(WINDOW_UPDATE, 0, 0, bytes(4)),
    "settings-of-5-bytes": lambda _: PREFACE + frame(SETTINGS, 0, 0, bytes(5)),
    "settings-ack-with-content": lambda _: BEGIN + frame(SETTINGS, ACK, 0, bytes(6)),
    "ping-flood": lambda _: BEGIN + frame(PING, 0, 0, bytes(8)) * FLOOD,
}
"""Bytes that violate HTTP/2, or flood a connection."""


@pytest.mark.proves("S7")
@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
async def test_invalid_http2_affects_no_other_client(
    target: Target, script: Callable[[Target], bytes]
) -> None:
    seen = len(list(target.emulator.journal))
    # A connection that continues responds to the ping.
    reader, writer = await target.send(script(target), frame(PING, 0, 0, bytes(8)))
    assert await ended(reader, stream=0) in {"goaway", "closed", "continues"}
    writer.close()
    assert len(list(target.emulator.journal)) == seen


TOLERATED: dict[str, bytes] = {
    "settings-flood": BEGIN + frame(SETTINGS, 0, 0, WINDOW_OF_0) * FLOOD,
    "unknown-frames": BEGIN + frame(0xBE, 0, 0, b"x" * 100) * FLOOD,
    "empty-data": BEGIN
    + header_frames(1, headers_of(GET).items())
    + frame(DATA, 0, 1, b"") * FLOOD,
    "priorities": BEGIN + frame(2, 0, 1, bytes(5)) * FLOOD,
}


@pytest.mark.proves("S7")
@pytest.mark.parametrize("flood", TOLERATED.values(), ids=TOLERATED)
async def test_flood_of_frames_affects_no_other_client(target: Target, flood: bytes) -> None:
    before = target.memory
    # The responses are never read.
    _, writer = await target.send()
    writer.write(flood)
    await _serves(target)
    writer.transport.abort()
    assert target.memory < before + 64 * MEBIBYTE


def _one(headers: Headers, body: bytes) -> bytes:
    """Return a call of CreateRoom with `body` as its data, the prefix of the message included."""
    size = 16_000
    return (
        BEGIN
        + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**20))
        + header_frames(1, headers_of(CREATE, headers).items())
        + b"".join(frame(DATA, 0, 1, body[at : at + size]) for at in range(0, len(body), size))
        + frame(DATA, END_STREAM, 1)
    )


SMALL = CreateRoomRequest(participants=[Participant(raw_id=MARK)]).SerializeToString()
BOMB = gzip.compress(CreateRoomRequest(request_id="x" * (64 * MEBIBYTE)).SerializeToString())

INVALID: dict[str, bytes] = {
    "shorter-than-sent": _one({}, message(SMALL, length=len(SMALL) - 5)),
    "4-gigabytes": _one({}, message(SMALL, length=2**32 - 1)),
    "above-the-limit": _one({}, message(b"", length=MAX_REQUEST_BYTES + 1)),
    "compressed-without-encoding": _one({}, message(gzip.compress(SMALL), compressed=1)),
    "flagged-compressed-but-is-not": _one({"grpc-encoding": "gzip"}, message(SMALL, compressed=1)),
    "unknown-encoding": _one({"grpc-encoding": f"br-{MARK}"}, message(SMALL, compressed=1)),
    "gzip-bomb": _one({"grpc-encoding": "gzip"}, message(BOMB, compressed=1)),
    "get-for-post": _one({":method": "GET"}, message(SMALL)),
    "unknown-timeout": _one({"grpc-timeout": MARK}, message(SMALL)),
    "unknown-method": _one({":path": f"/{MARK}/x"}, message(SMALL)),
    "no-path": _one({":path": ""}, message(SMALL)),
}
"""Invalid gRPC calls in valid frames."""


@pytest.mark.proves("S10")
@pytest.mark.parametrize("script", INVALID.values(), ids=INVALID)
async def test_invalid_message_reaches_no_handler(target: Target, script: bytes) -> None:
    seen, before = len(list(target.emulator.journal)), target.memory
    reader, writer = await target.send(script)
    assert await ended(reader) in {"status", "reset", "goaway"}
    writer.close()
    assert len(list(target.emulator.journal)) == seen
    assert target.memory < before + 16 * MEBIBYTE


MALFORMED: dict[str, tuple[str, bytes]] = {
    "not-protobuf": (CREATE, b"\xff" * 50),
    "truncated": (CREATE, SMALL[:-5]),
    "not-utf-8": (GET, b"\x0a\x01\xff"),
    "a-stream": (LIST, MARK.encode()),
}
"""Bytes that are not a message of the method, in valid frames with valid prefixes."""


@pytest.mark.proves("S12")
@pytest.mark.parametrize(("path", "body"), MALFORMED.values(), ids=MALFORMED)
async def test_malformed_message_is_request_invalid(target: Target, path: str, body: bytes) -> None:
    before = await scrape(target.admin)
    seen, written = len(list(target.emulator.journal)), len(target.process.err)
    async with grpc.aio.insecure_channel(target.address) as channel:
        rpc: Any = channel.unary_stream(path, None, None)
        call = rpc(body, metadata=[("x-request-id", "malformed")])
        failed = await failure_of(collect(call))
    assert (failed.code, failed.reason) == (
        StatusCode.INVALID_ARGUMENT,
        "ERROR_REASON_REQUEST_INVALID",
    )
    assert failed.message.startswith("the request is not a valid acs.rooms.v1.")
    assert len(list(target.emulator.journal)) == seen
    service, method = path[1:].split("/")
    labels = {"grpc_service": service, "grpc_method": method, "grpc_code": "InvalidArgument"}
    counted = "grpc_server_handled_total"
    after = await settled(target.admin)
    assert after.total(counted, **labels) == before.total(counted, **labels) + 1
    await until(lambda: '"request_id":"malformed"' in target.process.err[written:])
    lines = [json.loads(line) for line in target.process.err[written:].splitlines()]
    assert [line["level"] for line in lines if line["level"] not in {"info", "debug"}] == []


INCOMPLETE: dict[str, bytes] = {
    "longer-than-sent": _one({}, message(SMALL, length=len(SMALL) + 10)),
    "no-message": _one({}, b""),
    "incomplete-prefix": _one({}, b"\0\0"),
}


@pytest.mark.proves("S10")
@pytest.mark.parametrize("script", INCOMPLETE.values(), ids=INCOMPLETE)
async def test_incomplete_message_reaches_no_handler(target: Target, script: bytes) -> None:
    seen = len(list(target.emulator.journal))
    _, writer = await target.send(script)
    await _serves(target)
    assert await target.in_flight() == 0
    writer.close()
    assert len(list(target.emulator.journal)) == seen + 1


LENIENT: dict[str, bytes] = {
    "unknown-flag": _one({}, message(SMALL, compressed=7)),
    "two-messages": _one({}, message(SMALL) * 2),
    "unknown-content-type": _one({"content-type": f"text/{MARK}"}, message(SMALL)),
}
"""Calls that gRPC accepts although they violate its specification."""


@pytest.mark.proves("S10")
@pytest.mark.parametrize("script", LENIENT.values(), ids=LENIENT)
async def test_call_in_a_lenient_form_is_at_most_one(target: Target, script: bytes) -> None:
    seen = len(list(target.emulator.journal))
    reader, writer = await target.send(script)
    assert await ended(reader) in {"status", "reset", "goaway", "closed"}
    writer.close()
    assert len(list(target.emulator.journal)) <= seen + 1


@pytest.mark.proves("S14")
async def test_client_that_never_reads_blocks_no_other(target: Target) -> None:
    target.emulator.store.seed(200)
    request = ListRoomsRequest().SerializeToString()
    writers = []
    for _ in range(20):
        _, writer = await target.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # not in the base class
        writer.write(
            BEGIN
            + b"".join(
                header_frames(stream, headers_of(LIST).items())
                + frame(DATA, END_STREAM, stream, message(request))
                for stream in range(1, 9, 2)
            )
        )
        await writer.drain()
        writers.append(writer)
    await _serves(target)
    for writer in writers:
        writer.transport.abort()


@pytest.mark.proves("S9")
async def test_incomplete_handshake_is_closed_after_10s(target: Target) -> None:
    before = target.descriptors
    parts = [b"", PREFACE[:10], PREFACE, PREFACE + frame(SETTINGS, 0, 0)[:5]] * 25
    clients = [await target.send(part) for part in parts]
    await _serves(target)
    ends = await asyncio.gather(*(ended(reader, stream=0) for reader, _ in clients))
    assert set(ends) <= {"closed", "goaway"}
    for _, writer in clients:
        writer.close()
    await until(lambda: target.descriptors <= before)
