"""The connection pool, in virtual time: openings, hand-over, warm connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.upstreams import Wire
from support.virtual_time import run

from rooms_gateway import aio
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.pool import KEEPALIVE, MAX_AGE, MAX_OPENING, Pool
from rooms_gateway.upstream.transport.warm import AHEAD, MAX_PAUSE, keep_warm


class Server:
    """Opens connections, each after `handshake` seconds, and closes them after `lifetime`."""

    def __init__(self, handshake: float = 0.16, lifetime: float | None = None) -> None:
        self.handshake = handshake
        self.lifetime = lifetime
        self.failures: list[BaseException] = []
        """Errors of the next openings."""
        self.down = False
        self.openings: list[float] = []
        """When each opening started."""
        self.opening = self.most_opening = 0
        self.open: set[Connection] = set()

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        self.openings.append(loop.time())
        self.opening += 1
        self.most_opening = max(self.opening, self.most_opening)
        try:
            await asyncio.sleep(self.handshake)
        finally:
            self.opening -= 1
        if self.failures:
            raise self.failures.pop()
        if self.down:
            raise ConnectionRefusedError
        connection = Connection(loop, 100)
        connection.connection_made(_Wire(self, connection))
        self.open.add(connection)
        if self.lifetime is not None:
            loop.call_later(self.lifetime, connection.close)
        return connection


class _Wire(Wire):
    def __init__(self, server: Server, connection: Connection) -> None:
        super().__init__()
        self._server = server
        self._connection = connection

    def abort(self) -> None:
        if not self.closed:
            super().abort()
            self._server.open.discard(self._connection)
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


@asynccontextmanager
async def pool_of(server: Server, *, limit: int = 500, warm: int = 0) -> AsyncIterator[Pool]:
    """Make a pool without jitter that keeps `warm` connections; it closes all of them."""
    pool = Pool(
        server.connect,
        limit=limit,
        clock=asyncio.get_running_loop().time,
        uniform=lambda _, most: most,
    )
    keeper = asyncio.ensure_future(keep_warm(pool, warm, uniform=lambda _, most: most))
    try:
        yield pool
    finally:
        await aio.cancel_and_wait(keeper)
        await pool.close()
    assert (pool.slots, pool.idle, len(server.open), server.opening) == (0, 0, 0, 0)


async def call(pool: Pool, seconds: float = 0.08) -> float:
    """Use a connection for `seconds`, and return how long the call took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    connection = await pool.acquire()
    try:
        await asyncio.sleep(seconds)
    finally:
        pool.release(connection)
    return loop.time() - started


class TestOpenings:
    def test_a_burst_limits_concurrent_handshakes(self) -> None:
        async def main() -> None:
            server = Server()
            async with pool_of(server) as pool:
                taken = await asyncio.gather(*(call(pool) for _ in range(100)))
            assert server.most_opening == MAX_OPENING
            assert max(taken) == pytest.approx(2 * server.handshake + 0.08)

        run(main())

    def test_a_released_connection_comes_first(self) -> None:
        """A task does not wait for its own handshake while another connection is free."""

        async def main() -> None:
            server = Server(handshake=3)
            async with pool_of(server) as pool:
                held = await pool.acquire()
                waiting = asyncio.ensure_future(call(pool))
                await asyncio.sleep(0.1)
                pool.release(held)
                assert await waiting == pytest.approx(0.18)
                await asyncio.sleep(3)
                assert (pool.slots, pool.idle) == (2, 2)

        run(main())

    def test_an_error_fails_the_oldest_task(self) -> None:
        async def main() -> None:
            server = Server()
            server.failures = [ConnectionRefusedError()]
            async with pool_of(server) as pool:
                first, *others = await asyncio.gather(
                    *(call(pool) for _ in range(3)), return_exceptions=True
                )
            assert isinstance(first, ConnectionRefusedError)
            assert others == [pytest.approx(0.24)] * 2
            assert len(server.openings) == 3

        run(main())

    def test_a_spare_opening_hides_an_error(self) -> None:
        """No task fails while another opening may serve it."""

        async def main() -> None:
            server = Server()
            async with pool_of(server) as pool:
                abandoned = asyncio.ensure_future(pool.acquire())
                await asyncio.sleep(0.01)
                abandoned.cancel()
                server.failures = [ConnectionRefusedError()]
                taken = await asyncio.gather(call(pool), call(pool), return_exceptions=True)
            assert isinstance(taken[0], ConnectionRefusedError)
            assert taken[1] == pytest.approx(0.24)

        run(main())

    def test_closing_fails_tasks_that_wait(self) -> None:
        async def main() -> None:
            server = Server(handshake=3)
            async with pool_of(server, limit=1) as pool:
                waiting = [asyncio.ensure_future(pool.acquire()) for _ in range(2)]
                await asyncio.sleep(0.1)
                await pool.close()
                for each in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(each, ConnectionAbortedError)
                with pytest.raises(ConnectionAbortedError):
                    await pool.acquire()

        run(main())

    @settings(max_examples=60, deadline=None)
    @given(
        limit=st.integers(1, 5),
        lifetime=st.none() | st.floats(0, 0.5),
        calls=st.lists(
            st.tuples(
                st.floats(0, 1),
                st.floats(0, 0.3),
                st.none() | st.floats(0, 0.4),
            ),
            max_size=15,
        ),
        failures=st.integers(0, 5),
    )
    def test_no_slot_is_lost_whatever_happens(
        self,
        limit: int,
        lifetime: float | None,
        calls: list[tuple[float, float, float | None]],
        failures: int,
    ) -> None:
        """With errors, cancellations and lost connections, each call ends and no slot leaks."""

        async def one(pool: Pool, start: float, length: float, patience: float | None) -> None:
            await asyncio.sleep(start)
            async with asyncio.timeout(patience):
                await call(pool, length)

        async def main() -> None:
            server = Server(lifetime=lifetime)
            server.failures = [ConnectionRefusedError() for _ in range(failures)]
            async with pool_of(server, limit=limit) as pool:
                outcomes = await asyncio.gather(
                    *(one(pool, *each) for each in calls), return_exceptions=True
                )
                for outcome in outcomes:
                    assert outcome is None or isinstance(
                        outcome, ConnectionRefusedError | TimeoutError
                    )
                assert len(server.open) + server.opening <= pool.slots <= limit
                await asyncio.sleep(KEEPALIVE + 1)
                assert (pool.slots, pool.idle, len(server.open)) == (0, 0, 0)

        run(main())


class TestWarmConnections:
    def test_calls_never_wait_for_a_handshake(self) -> None:
        """Neither the first one, nor after any quiet time, nor when connections get old."""

        async def main() -> None:
            server = Server()
            async with pool_of(server, warm=2) as pool:
                for quiet in (1, 30, 55, 59, 65, 300, *[7] * 200):
                    await asyncio.sleep(quiet)
                    for taken in await asyncio.gather(call(pool), call(pool)):
                        assert taken == pytest.approx(0.08)
                    assert len(server.open) <= 4

        run(main())

    def test_quiet_costs_2_handshakes_per_minute(self) -> None:
        async def main() -> None:
            server = Server()
            async with pool_of(server, warm=2):
                await asyncio.sleep(3600)
            assert len(server.openings) <= 2 * (3600 / (KEEPALIVE - AHEAD) + 1)

        run(main())

    def test_an_old_connection_overlaps_the_next(self) -> None:
        async def main() -> None:
            server = Server()
            async with pool_of(server, warm=1) as pool:
                await asyncio.sleep(1)
                for _ in range(int(MAX_AGE) + 10):
                    assert await call(pool, 1) == pytest.approx(1)
                assert len(server.openings) == 2

        run(main())

    @pytest.mark.parametrize("lifetime", [0.0, 0.5, 5.0])
    def test_a_server_that_closes_is_not_hammered(self, lifetime: float) -> None:
        async def main() -> None:
            server = Server(lifetime=lifetime)
            async with pool_of(server, warm=2):
                await asyncio.sleep(3600)
            # Six doublings, then two connections per MAX_PAUSE.
            assert len(server.openings) <= 2 * (7 + 3600 / MAX_PAUSE)

        run(main())

    def test_a_closed_connection_is_opened_again(self) -> None:
        async def main() -> None:
            server = Server()
            async with pool_of(server, warm=2) as pool:
                await asyncio.sleep(30)
                for each in list(server.open):
                    each.close()
                await asyncio.sleep(1)
                assert len(server.open) == 2
                assert await call(pool) == pytest.approx(0.08)

        run(main())

    def test_an_outage_delays_and_ends(self) -> None:
        """While openings fail, attempts are rare; after it, connections are warm again."""

        async def main() -> None:
            server = Server()
            server.down = True
            async with pool_of(server, warm=2) as pool:
                await asyncio.sleep(3600)
                assert len(server.openings) <= 2 * (7 + 3600 / MAX_PAUSE)
                server.down = False
                await asyncio.sleep(MAX_PAUSE + 1)
                assert (pool.slots, pool.idle) == (2, 2)

        run(main())

    @pytest.mark.parametrize(("warm", "limit", "kept"), [(0, 9, 0), (9, 3, 3), (1, 9, 1)])
    def test_the_limit_bounds_warm_connections(self, warm: int, limit: int, kept: int) -> None:
        async def main() -> None:
            server = Server()
            async with pool_of(server, limit=limit, warm=warm) as pool:
                await asyncio.sleep(1)
                assert (pool.slots, pool.idle) == (kept, kept)

        run(main())
