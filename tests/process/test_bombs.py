"""Small requests that expand to much memory: a gateway process never allocates it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from support.commands import PATIENCE, Process, started
from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    header_frames,
    headers_of,
    message,
)

from rooms_emulator import Emulator

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEBIBYTE = 1024 * 1024
CREATE = "/acs.rooms.v1.RoomsService/CreateRoom"
BLOCK = 16_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        emulator.store.seed(1)
        yield emulator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(emulator: Emulator) -> AsyncIterator[Process]:
    variables = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}
    async with started("serve", "--listen", "127.0.0.1:0", env=variables) as process:
        yield process


def zipped(window_bits: int) -> bytes:
    """Compress 512 MiB, 500 times the limit of a request, into half a mebibyte."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    zeros = bytes(MEBIBYTE)
    return b"".join(compressor.compress(zeros) for _ in range(512)) + compressor.flush()


def call_of(body: bytes, encoding: str) -> bytes:
    return (
        header_frames(1, headers_of(CREATE, {"grpc-encoding": encoding}).items())
        + b"".join(frame(DATA, 0, 1, body[at : at + BLOCK]) for at in range(0, len(body), BLOCK))
        + frame(DATA, END_STREAM, 1)
    )


def hpack_bomb() -> bytes:
    """Put 4 kB into the header table once, and refer to it 12,000 times in each of 20 calls."""
    stored = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000
    usual = header_frames(1, headers_of(CREATE).items())[9:]
    return b"".join(
        frame(HEADERS, 0, stream, usual)
        + frame(
            CONTINUATION, END_HEADERS, stream, (b"" if stream > 1 else stored) + b"\xbe" * 12000
        )
        for stream in range(1, 41, 2)
    )


def endless_headers() -> bytes:
    """Begin a call, and continue its headers with complete entries of 32 MB in all."""
    entry = b"\0\x02x-\x7f\x81\x07" + b"x" * 1024
    return frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, entry * 15) * 2000


def endless_entry() -> bytes:
    """Begin a call with a header entry of 256 MB by its length, and send 32 MB of it."""
    announced = b"\0\x01a\x7f\x81\xff\xff\x7f"
    return frame(HEADERS, 0, 1, announced) + frame(CONTINUATION, 0, 1, b"x" * BLOCK) * 2000


def empty_continuations() -> bytes:
    """Begin a call, and continue its headers 100,000 times without adding to them."""
    return frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 100_000


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: call_of(message(zipped(31), compressed=1), "gzip"),
    "deflate": lambda: call_of(message(zipped(15), compressed=1), "deflate"),
    "hpack": hpack_bomb,
    "continuation-of-entries": endless_headers,
    "continuation-of-one-entry": endless_entry,
    "continuation-of-nothing": empty_continuations,
}


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Read a frame; return its kind and its flags."""
    head = await reader.readexactly(9)
    await reader.readexactly(int.from_bytes(head[:3]))
    return head[3], head[4]


async def wait_for_end(reader: asyncio.StreamReader) -> None:
    """Wait until a call or the connection ends."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while True:
                kind, flags = await next_frame(reader)
                if kind in {RST_STREAM, GOAWAY} or (kind == HEADERS and flags & END_STREAM):
                    break


@pytest.mark.proves("S11")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_bomb_is_rejected_within_bounded_memory(
    process: Process, emulator: Emulator, bomb: Callable[[], bytes]
) -> None:
    address, sent = await process.address(), bomb()
    room = emulator.store.rooms_page().items[0].id
    await serves(address, room)
    seen, before = len(list(emulator.journal)), peak(process)
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    kinds: set[int] = set()
    # Before the SETTINGS and their acknowledgement, less data than a bomb is allowed.
    while not {SETTINGS, WINDOW_UPDATE} <= kinds:
        kinds.add((await next_frame(reader))[0])
    writer.write(frame(SETTINGS, ACK, 0))
    with suppress(ConnectionError):
        for at in range(0, len(sent), MEBIBYTE):
            writer.write(sent[at : at + MEBIBYTE])
            await writer.drain()
    await wait_for_end(reader)
    await serves(address, room)
    writer.transport.abort()
    assert len(list(emulator.journal)) == seen + 1
    assert peak(process) < before + 64 * MEBIBYTE


async def serves(address: str, room: str) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        assert (await rooms.GetRoom(GetRoomRequest(room_id=room))).room.id == room


def peak(process: Process) -> int:
    """Return the peak resident memory of the process, in bytes."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
