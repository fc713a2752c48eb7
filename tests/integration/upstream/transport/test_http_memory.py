"""Memory of connections: responses and connections are freed after use."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.upstreams import Wire, client_of, echo, exchange, on_both_loops, read, run_on, scripted

from rooms_gateway.upstream.transport.connection import Connection

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LARGE = 1 << 20

LEFT_BEHIND = {
    "half a response": OK + b"Content-Length: %d\r\n\r\n" % (2 * LARGE),
    "a response above the cap": CHUNKED + b"%x\r\n" % LARGE,
    "an error above the cap": CHUNKED.replace(b"200 OK", b"503 No") + b"%x\r\n" % LARGE,
}


@pytest.fixture(autouse=True)
def never_collecting() -> Iterator[None]:
    """Disable garbage collection: memory must be freed without it."""
    gc.disable()
    yield
    gc.enable()


@contextmanager
def holding_little() -> Iterator[None]:
    """Expect that memory allocated inside is freed."""
    tracemalloc.start()
    try:
        yield
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < LARGE / 2


@pytest.mark.parametrize("name", LEFT_BEHIND)
async def test_a_discarded_body_is_freed(name: str) -> None:
    """Otherwise many large error responses hold hundreds of MB until garbage collection."""
    connection = Connection(asyncio.get_running_loop(), LARGE)
    # The parser copies these bytes.
    pieces = [LEFT_BEHIND[name], b" " * LARGE, b"\r\n1\r\n \r\n"]
    with holding_little():
        await read(pieces, end=False, connection=connection)


async def test_an_idle_connection_holds_no_response() -> None:
    connection = Connection(asyncio.get_running_loop(), LARGE)
    connection.connection_made(Wire())
    with holding_little():
        response = asyncio.ensure_future(
            connection.round_trip(b"", asyncio.get_running_loop().time() + 60)
        )
        await asyncio.sleep(0)
        connection.data_received(OK + b"Content-Length: %d\r\n\r\n" % LARGE)
        connection.data_received(b" " * LARGE)
        size = len((await response).body)
        del response
        # The loop holds the handle that resumed this task.
        await asyncio.sleep(0)
    assert (size, connection.usable) == (LARGE, True)


@on_both_loops
def test_a_closed_connection_is_freed(
    loop_factory: Any,
) -> None:
    """Also before the timeout of its last request."""

    async def main() -> None:
        async with scripted(echo) as server, client_of(server) as client:
            await exchange(client, seconds=60)
            connection = client._pool.take_idle()
            assert connection is not None
            gone, seen = connection.lost, weakref.ref(connection)
            connection.close()
            client._pool.release(connection)
            del connection
            await gone
            # The loop holds the handle that resumed this task.
            await asyncio.sleep(0)
            assert seen() is None

    run_on(loop_factory, main())
