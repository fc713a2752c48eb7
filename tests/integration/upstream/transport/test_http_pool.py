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
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.http import AttemptError
from rooms_gateway.upstream.transport.pool import KEEPALIVE, MAX_AGE, Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.proves("S45")
@on_both_loops
def test_a_thousand_exchanges_share_ten_connections_and_each_gets_its_own_answer(
    loop_factory: Any,
) -> None:
    async def main() -> None:
        async with scripted(slow_echo) as service, client_of(service) as client:
            requests = [get(number) for number in range(1000)]
            answers = await asyncio.gather(*(exchange(client, request) for request in requests))
            assert [answer.body.decode() for answer in answers] == [
                each.target for each in requests
            ]
            assert (service.connections, client._pool.slots, client._pool.idle) == (10, 10, 10)

    run_on(loop_factory, main())


@pytest.mark.proves("S51")
@on_both_loops
def test_who_waits_for_a_connection_gets_one_in_the_order_of_asking(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(slow_echo) as service, client_of(service, limit=1) as client:
            requests = [get(number) for number in range(100)]
            await asyncio.gather(*(exchange(client, request) for request in requests))
            order = [sent.split(b" ")[1].decode() for sent in service.requests]
            assert order == [each.target for each in requests]

    run_on(loop_factory, main())


@pytest.mark.proves("S45")
@on_both_loops
@pytest.mark.parametrize("limit", [1, 3])
def test_an_exchange_cancelled_at_any_point_loses_no_connection_and_spoils_none(
    loop_factory: Any, limit: int
) -> None:
    async def main() -> None:
        async with scripted(slow_echo) as service, client_of(service, limit) as client:
            for turns in range(60):
                if turns % 3 == 0:
                    # Start without connections, so that opening one is cancelled too.
                    await client._pool.close()
                    client._pool._closed = False
                others = [asyncio.ensure_future(exchange(client, get(n))) for n in range(limit)]
                cancelled = asyncio.ensure_future(exchange(client, get(77)))
                last = asyncio.ensure_future(exchange(client, get(99)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                cancelled.cancel()
                answers = await asyncio.gather(*others, last)
                assert [answer.body.decode() for answer in answers] == [
                    get(n).target for n in [*range(limit), 99]
                ]
                await asyncio.wait([cancelled])
                assert client._pool.slots == client._pool.idle <= limit
                assert not client._pool._waiters

    run_on(loop_factory, main())


@on_both_loops
def test_a_connection_handed_to_somebody_who_is_cancelled_goes_to_the_next(
    loop_factory: Any,
) -> None:
    async def main() -> None:
        async with scripted(echo) as service, client_of(service, limit=1) as client:
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


async def test_who_waits_too_long_for_a_connection_has_sent_nothing_and_leaves_the_pool_whole() -> (
    None
):
    async with scripted(silence, echo) as service, client_of(service, limit=1) as client:
        first = asyncio.ensure_future(exchange(client))
        await until(lambda: len(service.requests) == 1)
        with pytest.raises(AttemptError) as raised:
            await exchange(client, seconds=0.05)
        assert raised.value.kind is AttemptFailure.CONNECT
        assert not raised.value.sent
        first.cancel()
        assert (await exchange(client, get(3))).body.decode() == get(3).target
        assert service.connections == 2


async def test_a_slot_whose_connection_cannot_be_made_goes_to_the_next() -> None:
    failures = [ConnectionRefusedError(), None]
    loop = asyncio.get_running_loop()
    async with scripted(echo) as service:

        async def connect() -> Connection:
            await asyncio.sleep(0)
            failure = failures.pop(0)
            if failure is not None:
                raise failure
            _, connection = await loop.create_connection(
                lambda: Connection(loop, 100), "127.0.0.1", service.port
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
def test_a_connection_that_the_service_closed_while_it_was_idle_is_not_used(
    loop_factory: Any,
) -> None:
    async def main() -> None:
        async with scripted(raw(OK, close=True)) as service, client_of(service) as client:
            for count in (1, 2, 3):
                await exchange(client)
                await until(lambda: not client._pool._idle[0].usable)
                assert service.connections == count

    run_on(loop_factory, main())


@pytest.mark.proves("S50")
async def test_a_connection_that_breaks_when_it_is_used_again_is_lost_and_nothing_sent_twice() -> (
    None
):
    async with scripted(raw(OK), hang_up, raw(OK)) as service, client_of(service) as client:
        await exchange(client)
        with pytest.raises(AttemptError) as raised:
            await exchange(client)
        assert raised.value.kind is AttemptFailure.LOST
        assert (len(service.requests), service.connections) == (2, 1)


@pytest.mark.proves("S45")
@on_both_loops
def test_bytes_that_nobody_asked_for_end_an_idle_connection(loop_factory: Any) -> None:
    async def talkative(
        _: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(OK)
        assert not await reader.read(1)
        writer.close()

    async def main() -> None:
        async with scripted(talkative, echo) as service, client_of(service) as client:
            await exchange(client)
            await until(lambda: not client._pool._idle[0].usable)
            assert (await exchange(client, get(5))).body.decode() == get(5).target
            assert service.connections == 2

    run_on(loop_factory, main())


@pytest.mark.proves("S51")
async def test_idle_connections_are_closed_after_a_minute_and_old_ones_not_kept() -> None:
    loop = asyncio.get_running_loop()
    late = 0.0
    async with scripted(echo) as service, client_of(service) as client:
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
def test_leaving_closes_all_connections_also_those_in_use(loop_factory: Any) -> None:
    async def main() -> None:
        async with scripted(echo, silence) as service:
            async with client_of(service) as client:
                await exchange(client)
                waiting = [asyncio.ensure_future(exchange(client)) for _ in range(3)]
                await until(lambda: len(service.requests) == 4)
                await client._pool.close()
                assert not client._pool._open
                for failed in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(failed, AttemptError)
                    assert failed.kind is AttemptFailure.LOST
            assert (client._pool.slots, client._pool.idle) == (0, 0)
        # An unclosed transport emits a ResourceWarning, which is an error.
        gc.collect()

    run_on(loop_factory, main())


async def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        async with scripted(echo) as service, client_of(service) as client:

            async def resolve(*_: Any, **__: Any) -> list[Any]:
                kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
                return [(*kind, unheard.getsockname()), (*kind, ("127.0.0.1", service.port))]

            monkeypatch.setattr(loop, "getaddrinfo", resolve)
            assert (await exchange(client)).status == 200


async def test_all_who_ask_for_a_name_at_once_share_one_look_up_and_none_can_take_it_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0
    answered = asyncio.Event()
    async with scripted(echo) as service, client_of(service) as client:

        async def resolve(*_: Any, **__: Any) -> list[Any]:
            nonlocal asked
            asked += 1
            await answered.wait()
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", service.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        calls = [asyncio.ensure_future(exchange(client)) for _ in range(5)]
        await until(lambda: asked == 1)
        calls[0].cancel()
        await asyncio.sleep(0)
        answered.set()
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(first, asyncio.CancelledError)
        assert [getattr(answer, "status", answer) for answer in others] == [200] * 4
        assert asked == 1


async def test_a_name_that_was_not_found_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = False
    async with scripted(echo) as service, client_of(service) as client:

        async def resolve(*_: Any, **__: Any) -> list[Any]:
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", service.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        with pytest.raises(AttemptError) as failed:
            await exchange(client)
        assert failed.value.kind is AttemptFailure.CONNECT
        found = True
        assert (await exchange(client)).status == 200
