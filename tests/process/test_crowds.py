"""A thousand hostile clients without credentials: bounded memory, and health for everybody else."""

from __future__ import annotations

import asyncio
import resource
import ssl
import struct
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from support.authority import OURS, Files
from support.commands import PATIENCE, REFUSING, Process, started
from support.gateways import only_loop
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
)
from support.policies import STATIC, PolicyFiles

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    only_loop,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("crowds"),
]

MEBIBYTE = 1024 * 1024
GROWTH = 64 * MEBIBYTE
"""Of the process, for all clients without credentials."""

_SPARE = 300
"""Descriptors for everything else in this process."""

GET = "/acs.rooms.v1.RoomsService/GetRoom"
CHECK = "/grpc.health.v1.Health/Check"
BEGIN = PREFACE + frame(SETTINGS, 0, 0)
UNREAD = PREFACE + frame(SETTINGS, 0, 0, WINDOW_OF_0)
REQUEST = message(GetRoomRequest(room_id="994").SerializeToString())
STREAMS = range(1, 200, 2)
"""As many as a connection may have."""

CALM = "goaway 11"
OPEN = "open"
MARK = b"the end!"
"""The payload of the ping that follows an attack."""

CLOSED = "closed"


def crowd() -> int:
    """Return how many clients this process can have, a thousand at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 1000 + _SPARE
    if hard != resource.RLIM_INFINITY:
        files = min(files, hard)
    if resource.RLIM_INFINITY != soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files - _SPARE


@dataclass(slots=True)
class Target:
    """A gateway with a policy, and clients of it."""

    process: Process
    address: str
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(
        self, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.rpartition(":")
        name = None if tls is None else "localhost"
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=tls, server_hostname=name
        )
        self.clients.append(writer)
        return reader, writer

    async def disconnect(self) -> None:
        for writer in self.clients:
            writer.transport.abort()
        self.clients.clear()
        await asyncio.sleep(0)

    def peak(self) -> int:
        """Return the peak resident memory of the process, in bytes."""
        return self._memory("VmHWM:")

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(status.partition(name)[2].split()[0]) * 1024


@asynccontextmanager
async def gateway(folder: Path, *arguments: str | Path) -> AsyncIterator[Target]:
    files = PolicyFiles(folder).write('tokens-file = "tokens"\n[callers.admin]\nrole = "admin"\n')
    files.write_tokens({"admin": STATIC["admin"]})
    async with started(
        *("serve", "--listen", "127.0.0.1:0", "--caller-policy", str(files.policy)),
        *("--max-client-connections", str(crowd() + 20), "--log-level", "error", *REFUSING),
        *arguments,
    ) as process:
        target = Target(process, await process.address())
        yield target
        await target.disconnect()
        assert not process.ended
        assert "Traceback" not in process.err


@pytest_asyncio.fixture(loop_scope="module")
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    async with gateway(tmp_path) as target:
        yield target


class Health:
    """A client that asks for the health of the gateway, on connections that are not busy."""

    COUNT = 8

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._stream = -1
        self.delays: list[float] = []
        """In seconds."""

    async def connect(self, tls: ssl.SSLContext | None = None) -> None:
        for _ in range(self.COUNT):
            reader, writer = await self._target.connect(tls)
            writer.write(BEGIN)
            self._connections.append((reader, writer))

    async def check(self) -> None:
        """Check health once on each connection."""
        self._stream += 2
        body = message(HealthCheckRequest().SerializeToString())
        call = header_frames(self._stream, headers_of(CHECK).items())
        call += frame(DATA, END_STREAM, self._stream, body)
        for reader, writer in self._connections:
            started = time.monotonic()
            writer.write(call)
            async with asyncio.timeout(2 * PATIENCE):
                await self._response(reader)
            self.delays.append(time.monotonic() - started)
            await asyncio.sleep(0.02)

    async def _response(self, reader: asyncio.StreamReader) -> None:
        async for kind, flags, number, payload in frames(reader):
            assert kind != GOAWAY
            if number == self._stream and kind == DATA:
                assert payload == message(b"\x08\x01")
            if number == self._stream and kind == HEADERS and flags & END_STREAM:
                return
        pytest.fail("the connection was closed")


async def _end_of(reader: asyncio.StreamReader) -> str:
    """Return how a connection has ended; or that it responds to the ping after an attack."""
    end = CLOSED
    async for kind, flags, _, payload in frames(reader):
        if kind == GOAWAY:
            end = f"goaway {int.from_bytes(payload[4:8])}"
        if kind == PING and flags & ACK and payload == MARK:
            return OPEN
    return end


def _call(
    stream: int, path: str = GET, headers: Headers | None = None, body: bytes = REQUEST
) -> bytes:
    return header_frames(stream, headers_of(path, headers).items()) + frame(
        DATA, END_STREAM, stream, body
    )


def _block(headers: Headers | None = None) -> bytes:
    return header_frames(1, headers_of(GET, headers).items())[9:]


def _indexed(name: bytes, value: bytes) -> bytes:
    """Encode a field so that it enters the dynamic table (RFC 7541, 6.2.1)."""
    length = bytes((len(value),)) if len(value) < 127 else b"\x7f" + _varint(len(value) - 127)
    return b"\x40" + bytes((len(name),)) + name + length + value


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 128:
        encoded.append(number % 128 | 128)
        number //= 128
    return bytes((*encoded, number))


def _zipped() -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return message(compressor.compress(bytes(384_000)) + compressor.flush(), compressed=1)


SMALL: Headers = {f"x{number:02}": "" for number in range(90)}
ENTRIES = b"".join(_indexed(b"%02x" % number, b"") for number in range(120))
ZIPPED = _zipped()


def _table() -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, _block() + ENTRIES)


def _references() -> bytes:
    """Fields of which each takes a byte in the block, in calls that do not end."""
    references = bytes(range(0xBE, 0xBE + 60))
    return frame(HEADERS, END_HEADERS, 1, _block() + ENTRIES) + b"".join(
        frame(HEADERS, END_HEADERS, stream, _block() + references) for stream in STREAMS[1:]
    )


def _commas() -> bytes:
    """Fields of 4,000 values each, of which each takes a byte in the block."""
    return frame(
        HEADERS, END_HEADERS | END_STREAM, 1, _block() + _indexed(b"x-bin", b"," * 4000)
    ) + b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, stream, _block() + b"\xbe" * 3)
        for stream in range(3, 43, 2)
    )


RESET = struct.pack(">I", 8)


@dataclass(frozen=True, slots=True)
class Attack:
    """What each of many clients sends, and how their connections may end."""

    sent: Callable[[], bytes]
    ends: frozenset[str]
    whole: bool = True
    """Whether a ping can follow."""


def _attack(sent: Callable[[], bytes], *ends: str, whole: bool = True) -> Attack:
    return Attack(sent, frozenset(ends), whole)


HELD: dict[str, Attack] = {
    "idle": _attack(lambda: BEGIN, OPEN),
    "nothing-sent": _attack(lambda: b"", OPEN, whole=False),
    "half-preface": _attack(lambda: PREFACE[:9], OPEN, whole=False),
    "header-tables": _attack(lambda: BEGIN + _table(), OPEN),
    "half-frames": _attack(
        lambda: BEGIN + frame(HEADERS, 0, 1, bytes(16_384))[:-1], OPEN, CALM, whole=False
    ),
    "half-blocks": _attack(
        lambda: (
            BEGIN
            + frame(HEADERS, 0, 1, bytes(16_384))
            + frame(CONTINUATION, 0, 1, bytes(16_384))[:-1]
        ),
        *(OPEN, CALM),
        whole=False,
    ),
    "half-calls": _attack(
        lambda: BEGIN + b"".join(header_frames(each, headers_of(GET).items()) for each in STREAMS),
        OPEN,
    ),
    "half-calls-of-many-fields": _attack(
        lambda: (
            BEGIN
            + b"".join(header_frames(each, headers_of(GET, SMALL).items()) for each in STREAMS[::4])
        ),
        OPEN,
    ),
    "half-calls-of-references": _attack(lambda: BEGIN + _references(), OPEN),
    "half-requests-of-http": _attack(
        lambda: (
            BEGIN
            + b"".join(
                header_frames(each, headers_of(GET, {"content-type": "text/plain"}).items())
                for each in STREAMS
            )
        ),
        OPEN,
    ),
    "half-messages": _attack(
        lambda: (
            BEGIN
            + header_frames(1, headers_of(GET).items())
            + b"".join(frame(DATA, 0, 1, part) for part in (message(b"x" * 9000, length=9001),))
        ),
        OPEN,
    ),
    "compressed-half-calls": _attack(
        lambda: (
            BEGIN
            + b"".join(
                header_frames(each, headers_of(GET, {"grpc-encoding": "gzip"}).items())
                + frame(DATA, 0, each, ZIPPED)
                for each in STREAMS[::4]
            )
        ),
        OPEN,
    ),
    "compressed-calls": _attack(
        lambda: (
            BEGIN
            + b"".join(
                _call(each, headers={"grpc-encoding": "gzip"}, body=ZIPPED)
                for each in STREAMS[::10]
            )
        ),
        OPEN,
    ),
    "unread-health": _attack(
        lambda: UNREAD + b"".join(_call(each, CHECK, body=message(b"")) for each in STREAMS[::2]),
        OPEN,
    ),
    "malformed-requests": _attack(
        lambda: (
            BEGIN
            + b"".join(
                frame(HEADERS, END_HEADERS | END_STREAM, each, b"\x82")
                for each in range(1, 1100, 2)
            )
        ),
        OPEN,
    ),
}
"""Attacks that make the gateway hold memory."""


async def play(target: Target, attack: Attack, clients: int) -> Counter[str]:
    """Have `clients` clients send; return how their connections end."""
    sent = attack.sent()

    async def client() -> str:
        reader, writer = await target.connect()
        with suppress(ConnectionError):
            writer.write(sent)
            await writer.drain()
            if not attack.whole:
                return OPEN
            writer.write(frame(PING, 0, 0, MARK))
        return await _end_of(reader)

    async with asyncio.timeout(200):
        return Counter(await asyncio.gather(*(client() for _ in range(clients))))


@pytest.mark.proves("S99")
@pytest.mark.parametrize("attack", HELD.values(), ids=HELD)
async def test_crowd_holds_bounded_memory(
    target: Target, attack: Attack, record_property: Callable[[str, object], None]
) -> None:
    """64 MiB at most, whatever they hold; and health is available all the time."""
    health = Health(target)
    await health.connect()
    await health.check()
    before, calm = target.peak(), max(health.delays)
    health.delays.clear()
    playing = asyncio.ensure_future(play(target, attack, crowd()))
    while not playing.done():
        await health.check()
    ends = playing.result()
    await health.check()
    grown = target.peak() - before
    delays = sorted(health.delays)
    record_property("grown_mebibytes", round(grown / MEBIBYTE, 1))
    record_property("health_calm_ms", round(1000 * calm, 1))
    record_property("health_median_ms", round(1000 * delays[len(delays) // 2], 1))
    record_property("health_max_ms", round(1000 * delays[-1], 1))
    # On a slow machine, limits of time close some.
    assert set(ends) <= {CLOSED, *attack.ends}
    assert grown < GROWTH


def _flood(*parts: bytes, times: int = 2000) -> bytes:
    return BEGIN + b"".join(parts) * times


def _resets() -> bytes:
    return BEGIN + b"".join(
        _call(each) + frame(RST_STREAM, 0, each, RESET) for each in range(1, 4000, 2)
    )


FLOODS: dict[str, Attack] = {
    "rapid-reset": _attack(_resets, CALM),
    "continuations": _attack(
        lambda: BEGIN + frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 2000, CALM
    ),
    "settings": _attack(lambda: _flood(frame(SETTINGS, 0, 0, WINDOW_OF_0 * 100), times=1100), CALM),
    "pings": _attack(lambda: _flood(frame(PING, 0, 0, bytes(8))), CALM),
    "priorities": _attack(lambda: _flood(frame(2, 0, 1, struct.pack(">IB", 3, 0))), CALM),
    "window-updates": _attack(
        lambda: _flood(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))), CALM
    ),
    "window-updates-of-0": _attack(
        lambda: _flood(frame(WINDOW_UPDATE, 0, 0, bytes(4))), "goaway 1"
    ),
    "window-overflow": _attack(
        lambda: _flood(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1))), "goaway 3"
    ),
    "empty-data": _attack(
        lambda: BEGIN + header_frames(1, headers_of(GET).items()) + frame(DATA, 0, 1) * 2000, CALM
    ),
    "unknown-frames": _attack(lambda: _flood(frame(0xBE, 0, 0, b"x" * 100)), CALM),
    "streams-over-the-limit": _attack(
        lambda: (
            BEGIN
            + b"".join(header_frames(each, headers_of(GET).items()) for each in range(1, 4000, 2))
        ),
        CALM,
    ),
    "table-sizes": _attack(
        lambda: (
            BEGIN
            + b"".join(
                frame(HEADERS, END_HEADERS | END_STREAM, each, b"\x3f\xe1\x1f\x20" * 4000)
                for each in range(1, 40, 2)
            )
        ),
        "goaway 9",
    ),
    "references-beyond-the-list": _attack(
        lambda: (
            BEGIN + frame(HEADERS, END_HEADERS, 1, _indexed(b"x", b"v" * 4000) + b"\xbe" * 12_000)
        ),
        CALM,
    ),
    "values-of-a-field": _attack(lambda: BEGIN + _commas(), OPEN),
    "calls": _attack(lambda: BEGIN + b"".join(_call(each) for each in range(1, 300, 2)), OPEN),
}
"""Attacks that take time, and the limit that ends each."""


@pytest.mark.proves("S7")
@pytest.mark.proves("S80")
@pytest.mark.parametrize("attack", FLOODS.values(), ids=FLOODS)
async def test_flood_ends_at_its_limit(
    target: Target, attack: Attack, record_property: Callable[[str, object], None]
) -> None:
    """Other connections are served meanwhile."""
    health = Health(target)
    await health.connect()
    await health.check()
    before = target.peak()
    health.delays.clear()
    playing = asyncio.ensure_future(play(target, attack, 50))
    while not playing.done():
        await health.check()
    ends = set(playing.result())
    # A client that still sends may lose what it has not read; the codes are unit-tested.
    assert ends <= {CLOSED, *attack.ends}
    await health.check()
    record_property("grown_mebibytes", round((target.peak() - before) / MEBIBYTE, 1))
    record_property("health_max_ms", round(1000 * max(health.delays), 1))
    assert target.peak() - before < GROWTH


@pytest.mark.proves("S99")
async def test_crowd_that_reads_nothing_fits(target: Target) -> None:
    """Not even the status of their calls: they are not read either."""
    health = Health(target)
    await health.connect()
    await health.check()
    before = target.peak()
    calls = b"".join(_call(each) for each in range(1, 2000, 2))
    writers = []
    for _ in range(crowd() // 5):
        _, writer = await target.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # not in the base class
        writer.write(BEGIN + calls)
        writers.append(writer)
    for _ in range(20):
        await health.check()
    assert target.peak() - before < GROWTH


@pytest.mark.proves("S9")
async def test_crowd_of_half_handshakes_fits(tmp_path: Path) -> None:
    """Clients that complete theirs are served meanwhile."""
    files = Files(tmp_path).write(OURS.issue(), OURS)
    context = ssl.create_default_context(cadata=OURS.pem.decode())
    context.set_alpn_protocols(["h2"])
    async with gateway(tmp_path, *files.flags()) as target:
        before = target.peak()
        for _ in range(crowd() // 2):
            _, writer = await target.connect()
            # A ClientHello of which most is missing.
            writer.write(bytes.fromhex("16030100c8010000c40303"))
        health = Health(target)
        await health.connect(context)
        await health.check()
        assert target.peak() - before < GROWTH


@pytest.mark.proves("S79")
async def test_new_client_replaces_an_idle_one(target: Target) -> None:
    """The one that is idle for longest is asked to reconnect; calls continue."""
    idle = [await target.connect() for _ in range(crowd() + 20)]
    for _, writer in idle:
        writer.write(BEGIN)
    watch = header_frames(1, headers_of("/grpc.health.v1.Health/Watch").items())
    watching, writer = idle[0]
    writer.write(watch + frame(DATA, END_STREAM, 1, message(b"")))
    async with asyncio.timeout(PATIENCE):
        async for kind, _, _, payload in frames(watching):
            if kind == DATA:
                assert payload == message(b"\x08\x01")
                break
        health = Health(target)
        await health.connect()
        await health.check()
        # Those that came first, but not the one with a call.
        assert await _end_of(idle[1][0]) == "goaway 0"
    writer.write(frame(PING, 0, 0, MARK))
    idle[-1][1].write(frame(PING, 0, 0, MARK))
    async with asyncio.timeout(PATIENCE):
        assert await _end_of(watching) == OPEN
        assert await _end_of(idle[-1][0]) == OPEN
