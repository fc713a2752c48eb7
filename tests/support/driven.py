"""A gRPC server without sockets: connections that are fed with bytes, and what they send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from rooms_gateway.grpc_server.http2.connection import Connection
from rooms_gateway.grpc_server.http2.frames import ErrorCode
from rooms_gateway.grpc_server.limits import Limits
from rooms_gateway.grpc_server.server import Server
from support.http2 import DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM

LIMITS = Limits(max_message=65_536, max_streams=20, max_held=256 * 1024)


class Transport:
    """Keeps what is written; its client reads everything, or nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, reads: bool = True) -> None:
        self._loop = loop
        self._reads = reads
        self._high_water = 0
        self._ended = False
        self.protocol: Any = None
        self.written = bytearray()
        self.reading = True
        """Whether the event loop would read more of the client."""

    def set_write_buffer_limits(self, high: int) -> None:
        self._high_water = high

    def get_write_buffer_size(self) -> int:
        return 0 if self._reads else len(self.written)

    def write(self, data: bytes) -> None:
        assert not self._ended, "a write after the end"
        before = self.get_write_buffer_size()
        self.written += data
        if before <= self._high_water < self.get_write_buffer_size():
            self.protocol.pause_writing()

    def read(self) -> None:
        """Have the client read from now on."""
        paused, self._reads = self.get_write_buffer_size() > self._high_water, True
        if paused and not self._ended:
            self.protocol.resume_writing()

    def close(self) -> None:
        if not self._ended:
            self._ended = True
            self._loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    @property
    def ended(self) -> bool:
        return self._ended

    def pause_reading(self) -> None:
        """Record it; the test feeds the connection nevertheless."""
        self.reading = False

    def resume_reading(self) -> None:
        """Record it."""
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 4242) if name == "peername" else None


class Driven:
    """One connection of a server, and its frames. Created in a running loop."""

    def __init__(self, server: Server, *, reads: bool = True) -> None:
        loop = asyncio.get_running_loop()
        self.server = server
        self.transport = Transport(loop, reads=reads)
        self.connection = Connection(server, loop, lambda _: None)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)

    def feed(self, data: bytes) -> None:
        """Deliver bytes of the client, as the event loop would."""
        size = len(self.server.receive_buffer)
        for at in range(0, len(data), size):
            if self.transport.ended:
                return
            part = data[at : at + size]
            self.connection.get_buffer(-1)[: len(part)] = part
            self.connection.buffer_updated(len(part))

    async def settle(self) -> None:
        """Wait until the server has done what it can; check that it reads on."""
        for _ in range(1000):
            await asyncio.sleep(0)
            if not self.server.turns.paused and not self.connection.handlers:
                break
        for _ in range(3):
            await asyncio.sleep(0)
        if not (self.server.turns.paused or self.connection.output.paused or self.transport.ended):
            assert self.transport.reading, "the connection is not read, and waits for nothing"

    async def end(self) -> None:
        """Disconnect; check that nothing is left behind."""
        self.transport.close()
        await self.settle()
        server, connection = self.server, self.connection
        assert not connection.streams
        assert not connection.handlers
        assert connection not in server.connections
        assert server.budget.total == sum(server.budget.holders.values())
        assert server.connections or not server.budget.holders

    @property
    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """The kind, flags, stream and payload of all frames that were sent."""
        found, data = [], bytes(self.transport.written)
        while data:
            end = 9 + int.from_bytes(data[:3])
            assert len(data) >= end, "half a frame"
            assert end <= 9 + 16_384
            found.append((data[3], data[4], int.from_bytes(data[5:9]), data[9:end]))
            data = data[end:]
        return found

    def check(self) -> None:
        """Check that no stream has two responses, and that nothing follows an end."""
        ended: set[int] = set()
        heads: dict[int, int] = {}
        failed = False
        for kind, flags, stream, payload in self.frames:
            assert not failed, "a frame after an error of the connection"
            if kind == GOAWAY:
                failed = int.from_bytes(payload[4:8]) != 0
                assert int.from_bytes(payload[4:8]) != ErrorCode.INTERNAL_ERROR
            if kind in {HEADERS, DATA}:
                assert stream not in ended, "a response after its end"
                heads[stream] = heads.get(stream, 0) + (kind == HEADERS)
                assert heads[stream] <= 2, "two responses"
                if flags & END_STREAM:
                    ended.add(stream)
            if kind == RST_STREAM:
                ended.add(stream)
        if failed:
            assert self.transport.ended


async def _echo(request: bytes, _: object) -> bytes:
    await asyncio.sleep(0)
    return request


async def _repeat(request: bytes, _: object) -> AsyncIterator[bytes]:
    for _ in range(3):
        yield request + bytes(30_000)


async def _chat(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


def server(limits: Limits = LIMITS) -> Server:
    """Return a server of `/s/Echo`, `/s/Repeat` and `/s/Chat`, of bytes. Needs a running loop."""
    made = Server(limits)
    handlers: Any = {
        "Echo": grpc.unary_unary_rpc_method_handler(_echo),
        "Repeat": grpc.unary_stream_rpc_method_handler(_repeat),
        "Chat": grpc.stream_stream_rpc_method_handler(_chat),
    }
    made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("s", handlers),))
    return made


def errors_of(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
    """Return a list to which the errors are added that nothing in `loop` handles."""
    found: list[dict[str, Any]] = []
    keep: Callable[[object, dict[str, Any]], None] = lambda _, context: found.append(context)  # noqa: E731
    loop.set_exception_handler(keep)
    return found
