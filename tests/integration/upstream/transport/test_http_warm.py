"""Warm connections over sockets: at startup, after a loss, during an outage and at shutdown."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest
from support.gateways import until
from support.upstreams import Scripted, client_of, echo, exchange, on_both_loops, run_on, scripted

from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport import warm


@on_both_loops
def test_connections_are_open_before_a_request(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(echo) as server, client_of(server, warm=2) as client:
            await until(lambda: client._pool.idle == 2)
            assert (await exchange(client)).status == 200
            assert (server.connections, server.requests[1:]) == (2, [])

    run_on(loop_factory, main())


@on_both_loops
def test_a_connection_closed_by_the_server_is_replaced(
    loop_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "MIN_PAUSE", 0.01)

    async def answer_and_close(
        state: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await echo(state, reader, writer)
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with (
            scripted(answer_and_close, echo) as server,
            client_of(server, warm=1) as client,
        ):
            await until(lambda: client._pool.idle == 1)
            await exchange(client)
            await until(lambda: server.connections == 2)
            assert (await exchange(client)).status == 200
            assert server.connections == 2

    run_on(loop_factory, main())


async def test_an_outage_at_startup_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MIN_PAUSE", 0.01)
    monkeypatch.setattr(warm, "MAX_PAUSE", 0.02)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        endpoint = Endpoint("http", *listener.getsockname())
        async with client_of(endpoint, warm=2) as client:
            await asyncio.sleep(0.05)
            assert client._pool.idle == 0
            listener.listen()
            await until(lambda: client._pool.idle == 2)


@on_both_loops
def test_shutdown_ends_an_opening(loop_factory: Any) -> None:
    """Also one that hangs in the TLS handshake."""

    async def main() -> None:
        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(
            lambda _, writer: accepted.append(writer), "127.0.0.1", 0
        )
        endpoint = Endpoint("https", *server.sockets[0].getsockname())
        async with server:
            async with client_of(endpoint, warm=2) as client:
                await until(lambda: len(accepted) == 2)
                assert client._pool.slots == 2
            assert client._pool.slots == 0
            for writer in accepted:
                writer.close()
        # An unclosed transport emits a ResourceWarning, which is an error.
        gc.collect()

    run_on(loop_factory, main())
