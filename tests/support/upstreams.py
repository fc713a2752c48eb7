"""An upstream that answers with whatever bytes a test says, for what no sane server sends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.endpoint import Endpoint


@dataclass(slots=True)
class Scripted:
    """The upstream: what it was asked, and how many of its connections were given up."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    """Each whole: head and body."""
    connections: int = 0
    hung_up: int = 0
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
        state.hung_up += 1
    writer.close()


hang_up = raw(b"", close=True)
"""Close the connection without an answer."""
