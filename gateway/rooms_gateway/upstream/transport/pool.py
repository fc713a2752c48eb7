"""Bounded pool of connections to one origin, first come, first served."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from rooms_gateway import aio
from rooms_gateway.upstream.transport.connection import Connection

KEEPALIVE = 60.0
"""Seconds that an idle connection is kept; servers usually keep theirs longer."""

MAX_AGE = 600.0
"""Seconds after which a connection is replaced, so that DNS changes take effect."""

AGE_JITTER = 0.1
"""Random share of MAX_AGE, so that connections of one burst are not all replaced at once."""

MAX_OPENING = 32
"""Maximum number of connections being opened for tasks that wait.

In a burst of calls to a distant server, a lower limit delays calls, and a higher one spends CPU
time on handshakes that end after the first connections are free again.
"""


class Pool:
    """Lends out connections; at most `limit` are open or being opened.

    A slot is the right to one connection, open or being opened. Openings do not belong to a task:
    a connection that is opened or released goes to the task that has waited longest. So no task
    waits for a handshake while another connection is free, and none is idle while a task waits.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        limit: int,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`connect` opens a connection; `clock` is that of the event loop, in seconds."""
        self._connect = connect
        self._limit = limit
        self._clock = clock
        self._uniform = uniform
        self._slots = 0
        self._idle: deque[Connection] = deque()
        """The most recently used at the right."""
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._openings: set[asyncio.Future[Connection]] = set()
        """Openings for waiters."""
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.one_lost = asyncio.Event()
        """Set whenever a connection was closed, by either side."""

    @property
    def slots(self) -> int:
        """Connections in use, idle or being opened."""
        return self._slots

    @property
    def idle(self) -> int:
        """Idle connections."""
        return len(self._idle)

    def take_idle(self) -> Connection | None:
        """Return an idle connection, to be released after use; None if there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._slots -= 1
        return None

    async def acquire(self) -> Connection:
        """Return a connection, to be released after use; open one or wait for one if necessary.

        Raises what `connect` raises, and ConnectionAbortedError if the pool is closed.
        """
        connection = self.take_idle() or await self._wait()
        if not connection.usable:
            # Lost after the hand-over; only once, because a server may close every connection.
            self._free_slot()
            connection = self.take_idle() or await self._wait()
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back; close it if it is too old or no longer usable."""
        now = self._clock()
        if self._closed or not connection.usable or now > connection.expires_at:
            connection.close()
            self._free_slot()
        else:
            connection.idle_since = now
            self._hand_over(connection)

    async def open_spare(self) -> None:
        """Open a connection before a task needs it, unless the limit is reached.

        Raises what `connect` raises.
        """
        if self._slots >= self._limit:
            return
        self._slots += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._free_slot()
            raise
        self._add(connection)

    def ends(self) -> list[float]:
        """Return when each open connection is closed if no task uses it from now on."""
        now, idle = self._clock(), set(self._idle)
        return [
            min(each.expires_at, (each.idle_since if each in idle else now) + KEEPALIVE)
            for each in self._open
        ]

    async def close(self) -> None:
        """Close all connections, including those in use, and wait until they are closed."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._waiters:
            self._fail_first(ConnectionAbortedError("the connection pool is closed"))
        await aio.cancel_and_wait(*self._openings)
        self._slots -= len(self._idle)
        self._idle.clear()
        closing = {connection.lost for connection in self._open}
        for connection in self._open:
            connection.close()
        if closing:
            # asyncio.wait, because a cancelled gather would cancel the futures.
            await asyncio.wait(closing)

    # --- tasks that wait ---

    async def _wait(self) -> Connection:
        if self._closed:
            raise ConnectionAbortedError("the connection pool is closed")
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._open_more()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiters.remove(waiter)
            elif waiter.exception() is None:
                # Cancelled after the hand-over: the next waiter receives it.
                self.release(waiter.result())
            raise

    def _hand_over(self, connection: Connection) -> None:
        """Give a connection to the first waiter; otherwise keep it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweep_at(connection.idle_since + KEEPALIVE)

    def _fail_first(self, error: BaseException) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return

    # --- openings ---

    def _open_more(self) -> None:
        """Start an opening for each waiter that has none, within the limits."""
        wanted = min(len(self._waiters), MAX_OPENING)
        while len(self._openings) < wanted and self._slots < self._limit:
            self._slots += 1
            opening = asyncio.ensure_future(self._connect())
            self._openings.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Future[Connection]) -> None:
        self._openings.discard(opening)
        error = None if opening.cancelled() else opening.exception()
        if error is None and not opening.cancelled():
            self._add(opening.result())
        else:
            # With as many openings as waiters, another one may still serve each of them.
            if error is not None and len(self._openings) < len(self._waiters):
                self._fail_first(error)
            self._slots -= 1
        self._open_more()

    def _add(self, connection: Connection) -> None:
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._forget(connection))
        connection.idle_since = now = self._clock()
        connection.expires_at = now + MAX_AGE * self._uniform(1 - AGE_JITTER, 1)
        if self._closed:
            connection.close()
            self._free_slot()
        else:
            self._hand_over(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self.one_lost.set()

    def _free_slot(self) -> None:
        self._slots -= 1
        self._open_more()

    # --- idle connections ---

    def _sweep_at(self, when: float) -> None:
        self._sweeper = asyncio.get_running_loop().call_at(when, self._sweep)

    def _sweep(self) -> None:
        """Close connections that were idle for KEEPALIVE seconds."""
        self._sweeper = None
        now = self._clock()
        while self._idle and (
            self._idle[0].idle_since + KEEPALIVE <= now or not self._idle[0].usable
        ):
            self._idle.popleft().close()
            self._slots -= 1
        if self._idle:
            self._sweep_at(self._idle[0].idle_since + KEEPALIVE)
