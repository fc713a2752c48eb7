"""Bounded pool of connections to one origin, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from rooms_gateway.upstream.transport.connection import Connection

KEEPALIVE = 60.0
"""Seconds that an idle connection is kept; servers usually keep theirs longer."""

MAX_AGE = 600.0
"""Seconds after which a connection is replaced, so that DNS changes take effect."""


class Pool:
    """Lends out connections; at most `limit` are open or being opened.

    A slot is the right to one connection, open or being opened. A free slot or connection goes to
    the task that has waited longest, so no connection is idle while a task waits.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        limit: int,
        clock: Callable[[], float],
    ) -> None:
        """`connect` opens a connection; `clock` is that of the event loop, in seconds."""
        self._connect = connect
        self._limit = limit
        self._clock = clock
        self._slots = 0
        self._idle: deque[Connection] = deque()
        """The most recently used at the right."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        """Each receives a connection, or None for a slot."""
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

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

        Raises what `connect` raises.
        """
        idle = self.take_idle()
        if idle is not None:
            return idle
        if self._slots < self._limit:
            self._slots += 1
        else:
            received = await self._wait()
            if received is not None and received.usable:
                return received
        try:
            connection = await self._connect()
        except BaseException:
            self._hand_over(None)
            raise
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back; close it if it is too old or no longer usable."""
        now = self._clock()
        if self._closed or not connection.usable or now - connection.opened_at > MAX_AGE:
            connection.close()
            self._hand_over(None)
        else:
            connection.idle_since = now
            self._hand_over(connection)

    async def close(self) -> None:
        """Close all connections, including those in use, and wait until they are closed."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._slots -= len(self._idle)
        self._idle.clear()
        closing = {connection.lost for connection in self._open}
        for connection in self._open:
            connection.close()
        if closing:
            # asyncio.wait, because a cancelled gather would cancel the futures.
            await asyncio.wait(closing)

    async def _wait(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled after the hand-over: the next waiter receives it.
            if waiter.done() and not waiter.cancelled():
                self._hand_over(waiter.result())
            raise

    def _hand_over(self, connection: Connection | None) -> None:
        """Give a connection, or with None its slot, to the first waiter; otherwise keep it."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._slots -= 1
            return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweep_at(connection.idle_since + KEEPALIVE)

    def _sweep_at(self, when: float) -> None:
        self._sweeper = asyncio.get_running_loop().call_at(when, self._sweep)

    def _sweep(self) -> None:
        """Close connections that were idle for KEEPALIVE seconds."""
        self._sweeper = None
        old = self._clock() - KEEPALIVE
        while self._idle and (self._idle[0].idle_since <= old or not self._idle[0].usable):
            self._idle.popleft().close()
            self._slots -= 1
        if self._idle:
            self._sweep_at(self._idle[0].idle_since + KEEPALIVE)
