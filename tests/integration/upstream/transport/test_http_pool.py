"""The connection pool: limits, fairness and the life of connections."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest
from support.gateways import until
from support.upstreams import (
    Scripted,
    client_of,
    echo,
    exchange,
    get,
    hang_up,
    on_both_loops,
    raw,
    run_on,
    scripted,
    silence,
    slow_echo,
)

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.pool import KEEPALIVE, MAX_AGE, Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.proves("S45")
@on_both_loops
def test_1000_requests_share_10_connections(
    loop_factory: Any,
) -> None:
    """Each receives the response to its own request."""

    async def main() -> None:
        async with scripted(slow_echo) as server, client_of(server) as client:
            requests = [get(number) for number in range(1000)]
            responses = await asyncio.gather(*(exchange(client, request) for request in requests))
            assert [response.body.decode() for response in responses] == [
                each.target for each in requests
            ]
            assert (server.connections, client._pool.slots, client._pool.idle) == (10, 10, 10)

    run_on(loop_factory, main())


@pytest.mark.proves("S51")
@on_both_loops
def test_the_pool_queue_is_first_in_first_out(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(slow_echo) as server, client_of(server, limit=1) as client:
            requests = [get(number) for number in range(100)]
            await asyncio.gather(*(exchange(client, request) for request in requests))
            order = [sent.split(b" ")[1].decode() for sent in server.requests]
            assert order == [each.target for each in requests]

    run_on(loop_factory, main())


@pytest.mark.proves("S45")
@on_both_loops
@pytest.mark.parametrize("limit", [1, 3])
def test_cancellation_leaks_no_connection(loop_factory: Any, limit: int) -> None:
    """Cancellation at any point of a request neither leaks a connection nor breaks a response."""

    async def main() -> None:
        async with scripted(slow_echo) as server, client_of(server, limit) as client:
            for rounds in range(60):
                if rounds % 3 == 0:
                    # Start without connections, so that one is being opened.
                    await client._pool.close()
                    client._pool._closed = False
                others = [asyncio.ensure_future(exchange(client, get(n))) for n in range(limit)]
                cancelled = asyncio.ensure_future(exchange(client, get(77)))
                last = asyncio.ensure_future(exchange(client, get(99)))
                for _ in range(rounds):
                    await asyncio.sleep(0)
                cancelled.cancel()
                responses = await asyncio.gather(*others, last)
                assert [response.body.decode() for response in responses] == [
                    get(n).target for n in [*range(limit), 99]
                ]
                await asyncio.wait([cancelled])
                await until(lambda: client._pool.slots == client._pool.idle <= limit)
                assert not client._pool._waiters

    run_on(loop_factory, main())


@on_both_loops
def test_a_cancelled_waiter_gets_no_connection(
    loop_factory: Any,
) -> None:
    async def main() -> None:
        async with scripted(echo) as server, client_of(server, limit=1) as client:
            pool = client._pool
            held = await pool.acquire()
            first, second = (asyncio.ensure_future(pool.acquire()) for _ in range(2))
            await asyncio.sleep(0)
            pool.release(held)
            first.cancel()
            assert await second is held
            pool.release(held)
            assert (pool.slots, pool.idle, first.cancelled()) == (1, 1, True)

    run_on(loop_factory, main())


async def test_a_timeout_in_the_queue_sends_nothing() -> None:
    """The pool keeps its slots."""
    async with scripted(silence, echo) as server, client_of(server, limit=1) as client:
        first = asyncio.ensure_future(exchange(client))
        await until(lambda: len(server.requests) == 1)
        with pytest.raises(AttemptError) as raised:
            await exchange(client, seconds=0.05)
        assert raised.value.kind is AttemptFailure.CONNECT_TIMEOUT
        assert not raised.value.kind.sent
        first.cancel()
        assert (await exchange(client, get(3))).body.decode() == get(3).target
        assert server.connections == 2


async def test_a_failed_connect_passes_its_slot_on() -> None:
    failures = [ConnectionRefusedError(), None]
    loop = asyncio.get_running_loop()
    async with scripted(echo) as server:

        async def connect() -> Connection:
            await asyncio.sleep(0)
            failure = failures.pop(0)
            if failure is not None:
                raise failure
            _, connection = await loop.create_connection(
                lambda: Connection(loop, 100), "127.0.0.1", server.port
            )
            return connection

        pool = Pool(connect, limit=1, clock=loop.time)
        first, second = await asyncio.gather(pool.acquire(), pool.acquire(), return_exceptions=True)
        assert isinstance(first, ConnectionRefusedError)
        assert isinstance(second, Connection)
        pool.release(second)
        assert (pool.slots, pool.idle) == (1, 1)
        await pool.close()
        assert (pool.slots, pool.idle) == (0, 0)


@on_both_loops
def test_a_closed_idle_connection_is_not_reused(
    loop_factory: Any,
) -> None:
    async def main() -> None:
        async with scripted(raw(OK, close=True)) as server, client_of(server) as client:
            for count in (1, 2, 3):
                await exchange(client)
                await until(lambda: not client._pool._idle[0].usable)
                assert server.connections == count

    run_on(loop_factory, main())


@pytest.mark.proves("S50")
async def test_a_broken_reused_connection_is_lost() -> None:
    """The pool reports the loss; only the sender decides about a retry."""
    async with scripted(raw(OK), hang_up, raw(OK)) as server, client_of(server) as client:
        await exchange(client)
        with pytest.raises(AttemptError) as raised:
            await exchange(client)
        assert raised.value.kind is AttemptFailure.LOST
        assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.proves("S45")
@on_both_loops
def test_unsolicited_bytes_end_an_idle_connection(loop_factory: Any) -> None:
    async def talkative(
        _: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(OK)
        assert not await reader.read(1)
        writer.close()

    async def main() -> None:
        async with scripted(talkative, echo) as server, client_of(server) as client:
            await exchange(client)
            await until(lambda: not client._pool._idle[0].usable)
            assert (await exchange(client, get(5))).body.decode() == get(5).target
            assert server.connections == 2

    run_on(loop_factory, main())


@pytest.mark.proves("S51")
async def test_idle_and_old_connections_are_closed() -> None:
    loop = asyncio.get_running_loop()
    late = 0.0
    async with scripted(echo) as server, client_of(server) as client:
        pool = client._pool
        pool._clock = lambda: loop.time() + late
        await asyncio.gather(exchange(client), exchange(client))
        assert pool.idle == 2
        late = KEEPALIVE - 1
        await exchange(client)
        pool._sweep()
        assert pool.idle == 2
        late = KEEPALIVE + 1
        pool._sweep()
        assert (pool.slots, pool.idle) == (1, 1)
        late = MAX_AGE + 1
        await exchange(client)
        assert (pool.slots, pool.idle) == (0, 0)


@on_both_loops
def test_closing_ends_connections_in_use(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(echo, silence) as server:
            async with client_of(server) as client:
                await exchange(client)
                waiting = [asyncio.ensure_future(exchange(client)) for _ in range(3)]
                await until(lambda: len(server.requests) == 4)
                await client._pool.close()
                assert not client._pool._open
                for failed in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(failed, AttemptError)
                    assert failed.kind is AttemptFailure.LOST
            assert (client._pool.slots, client._pool.idle) == (0, 0)
        # An unclosed transport emits a ResourceWarning, which is an error.
        gc.collect()

    run_on(loop_factory, main())


async def test_all_addresses_of_a_host_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with scripted(echo) as server, client_of(server) as client:

            async def resolve(*_: Any, **__: Any) -> list[Any]:
                kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
                return [(*kind, unused.getsockname()), (*kind, ("127.0.0.1", server.port))]

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            assert (await exchange(client)).status == 200


async def test_concurrent_lookups_share_one_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelling one of the requests does not cancel the lookup."""
    lookups = 0
    resolved = asyncio.Event()
    async with scripted(echo) as server, client_of(server) as client:

        async def resolve(*_: Any, **__: Any) -> list[Any]:
            nonlocal lookups
            lookups += 1
            await resolved.wait()
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        calls = [asyncio.ensure_future(exchange(client)) for _ in range(5)]
        await until(lambda: lookups == 1)
        calls[0].cancel()
        await asyncio.sleep(0)
        resolved.set()
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert [getattr(response, "status", response) for response in others] == [200] * 4
        assert lookups == 1


async def test_a_failed_lookup_is_not_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = False
    async with scripted(echo) as server, client_of(server) as client:

        async def resolve(*_: Any, **__: Any) -> list[Any]:
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        with pytest.raises(AttemptError) as failed:
            await exchange(client)
        assert failed.value.kind is AttemptFailure.NAME_NOT_KNOWN
        found = True
        assert (await exchange(client)).status == 200
