"""Upstreams with scripted bytes, and the HTTP client alone in front of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.messages import RestRequest, RestResponse


@dataclass(slots=True)
class Scripted:
    """The upstream: what it was asked, and how many of its connections were given up."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    """Each whole: head and body."""
    connections: int = 0
    closed_by_client: int = 0
    """Connections that the client closed while the script was still busy with a request."""

    @property
    def upstream(self) -> Upstream:
        """How a gateway reaches it."""
        return Upstream.with_key(Endpoint.parse(f"http://127.0.0.1:{self.port}"), b"key")


Script = Callable[[Scripted, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request that has been read. To close the connection, it closes the writer."""


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncIterator[Scripted]:
    """Serve on a free port; each request gets the next of `scripts`, and the last one for ever."""
    state = Scripted()
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            state.requests.append(head + body)
            script = scripts[min(len(state.requests), len(scripts)) - 1]
            await script(state, reader, writer)
            if not writer.is_closing():
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1
        writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await converse(reader, writer)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
        await server.wait_closed()


def raw(answer: bytes, *, close: bool = False) -> Script:
    """Send these bytes; the connection stays open unless told otherwise."""

    async def script(_: Scripted, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if close:
            with suppress(OSError):
                await writer.drain()
            writer.close()

    return script


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Script:
    """Send a well-formed answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return raw("\r\n".join(lines).encode() + body)


async def silence(
    state: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer nothing until the client hangs up, and count that it did."""
    if not await reader.read(1):
        state.closed_by_client += 1
    writer.close()


def held(release: asyncio.Event, script: Script) -> Script:
    """Run `script` once `release` is set."""

    async def wait_and_run(
        state: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await release.wait()
        await script(state, reader, writer)

    return wait_and_run


hang_up = raw(b"", close=True)
"""Close the connection without an answer."""


MAX_RESPONSE_BYTES = 1000
MAX_CONNECTIONS = 10

on_both_loops = pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
"""For synchronous tests, which run what they test with `run_on`."""


def run_on(loop_factory: Any, main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on a loop of the one kind or the other."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)


@asynccontextmanager
async def client_of(
    service: Scripted | Endpoint, limit: int = 10, warm: int = 0
) -> AsyncIterator[HttpClient]:
    """Make a client with a pool of `limit` connections and a small cap for answers."""
    endpoint = service.upstream.endpoint if isinstance(service, Scripted) else service
    async with HttpClient(
        endpoint,
        user_agent="test",
        max_connections=limit,
        max_response_bytes=MAX_RESPONSE_BYTES,
        warm_connections=warm,
    ) as client:
        yield client


def get(number: int = 1) -> RestRequest:
    """Make a request that can be told from others."""
    return RestRequest("GET", f"/rooms/{number}?api-version=2025-03-13")


async def exchange(
    client: HttpClient, request: RestRequest | None = None, seconds: float = 30
) -> RestResponse:
    """Send a request as the transport does."""
    return await client.request(request or get(), {"Authorization": "test"}, seconds)


async def echo(state: Scripted, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the target of the request, so that a mix-up shows."""
    target = state.requests[-1].split(b" ")[1]
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


async def slow_echo(state: Scripted, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as `echo` does, some turns of the loop later."""
    target = state.requests[-1].split(b" ")[1]
    for __ in range(5):
        await asyncio.sleep(0)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))


class Wire(asyncio.Transport):
    """A transport to nowhere, to hand a connection bytes in pieces of our choice."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None:
        """Send nothing."""

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


async def read(
    pieces: list[bytes], *, end: bool, connection: Connection | None = None
) -> RestResponse | Exception:
    """Return what a connection makes of an answer in these pieces."""
    connection = connection or Connection(asyncio.get_running_loop(), MAX_RESPONSE_BYTES)
    wire = Wire()
    connection.connection_made(wire)
    answered = asyncio.ensure_future(
        connection.round_trip(b"", asyncio.get_running_loop().time() + 60)
    )
    await asyncio.sleep(0)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    if end and not wire.closed:
        connection.eof_received()
    connection.connection_lost(None)
    [outcome] = await asyncio.gather(answered, return_exceptions=True)
    assert not isinstance(outcome, BaseException) or isinstance(outcome, Exception)
    return outcome
