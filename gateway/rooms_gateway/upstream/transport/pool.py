"""A bounded pool of connections to one origin, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from rooms_gateway.upstream.transport.connection import Connection

KEEPALIVE = 60.0
"""Seconds that an idle connection is kept; servers commonly keep theirs for longer."""

MAX_AGE = 600.0
"""Seconds after which a connection is replaced, so that a change in the DNS is followed."""


class Pool:
    """Hands out connections, each to one at a time, and never more than `limit` are open.

    A slot is the right to have a connection, also one that is being made. Slots and connections
    that come free go to whoever has waited longest: while anybody waits, nothing is idle.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        limit: int,
        clock: Callable[[], float],
    ) -> None:
        """Take what opens a connection; `clock` is the event loop's, in seconds."""
        self._connect = connect
        self._limit = limit
        self._clock = clock
        self._slots = 0
        self._idle: deque[Connection] = deque()
        """The one used last is at the right."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        """Each gets a connection, or None: a slot for one."""
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def slots(self) -> int:
        """Connections that are in use, idle or being made."""
        return self._slots

    @property
    def idle(self) -> int:
        """Connections that wait to be used again."""
        return len(self._idle)

    def take(self) -> Connection | None:
        """Return an idle connection, if there is one; it must be released."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            self._slots -= 1
        return None

    async def acquire(self) -> Connection:
        """Return a connection, made or waited for if need be; it must be released.

        Raises what making one raises.
        """
        idle = self.take()
        if idle is not None:
            return idle
        if self._slots < self._limit:
            self._slots += 1
        else:
            handed = await self._wait()
            if handed is not None and handed.usable:
                return handed
        try:
            connection = await self._connect()
        except BaseException:
            self._pass_on(None)
            raise
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back; one that is not usable any more is closed."""
        now = self._clock()
        if self._closed or not connection.usable or now - connection.opened_at > MAX_AGE:
            connection.close()
            self._pass_on(None)
        else:
            connection.idle_since = now
            self._pass_on(connection)

    async def close(self) -> None:
        """Close all connections, also those in use, and return when they are gone."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._slots -= len(self._idle)
        self._idle.clear()
        going = {connection.lost for connection in self._open}
        for connection in self._open:
            connection.close()
        if going:
            # Not gather: cancelled itself, it would cancel what it waits for.
            await asyncio.wait(going)

    async def _wait(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # It may have come between the hand-over and our turn.
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or the slot of one, to the first who waits; else keep it."""
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
        """Close what was idle for too long."""
        self._sweeper = None
        old = self._clock() - KEEPALIVE
        while self._idle and (self._idle[0].idle_since <= old or not self._idle[0].usable):
            self._idle.popleft().close()
            self._slots -= 1
        if self._idle:
            self._sweep_at(self._idle[0].idle_since + KEEPALIVE)
