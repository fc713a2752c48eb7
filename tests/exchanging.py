"""The HTTP client alone, without a gateway around it, and what it makes of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from scripted import Scripted

from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.messages import RestRequest, RestResponse

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
async def client_of(service: Scripted | Endpoint, limit: int = 10) -> AsyncIterator[HttpClient]:
    """Make a client with a pool of `limit` connections and a small cap for answers."""
    endpoint = service.upstream.endpoint if isinstance(service, Scripted) else service
    async with HttpClient(
        endpoint, user_agent="test", max_connections=limit, max_response_bytes=MAX_RESPONSE_BYTES
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
