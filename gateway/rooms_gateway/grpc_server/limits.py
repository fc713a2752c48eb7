"""Limits of a server, and the bytes that clients may make it hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may do. Times are in seconds, sizes in bytes."""

    max_connections: int = 2**31 - 1
    """Of each listener; a further one replaces the oldest without calls, or is closed."""
    max_streams: int = 100
    """Calls of a connection, and handlers of calls that their client has reset."""
    max_message: int = 4 * 1024 * 1024
    """Size of a request message, also after decompression."""
    max_header_list: int = 16_384
    """Size of the metadata of a call, as SETTINGS_MAX_HEADER_LIST_SIZE counts it."""
    handshake_timeout: float = 10.0
    """From accepting a connection to its first settings."""
    message_timeout: float = 30.0
    """From the start of a header block or message to its end."""
    stall_timeout: float = 60.0
    """A client may leave all bytes of a response unread for so long."""
    min_ping_interval: float = 300.0
    """Between a client's pings without data; the third in a row that is too early is an error."""
    keepalive: float = 60.0
    """Without data from the client until the server pings it."""
    keepalive_timeout: float = 20.0
    """For the response to that ping."""
    max_connection_age: float = 0.0
    """Varied by 10 %; 0: unlimited."""
    age_grace: float = 300.0
    """For the calls of a connection that has reached its age."""
    max_held: int = 24 * 1024 * 1024
    """Memory for input that is not complete and output that is not read, of all connections."""


class Holder(Protocol):
    """A call or connection that holds bytes until its client sends or reads more."""

    def evict(self) -> None:
        """End, and free the bytes."""


class Budget:
    """The bytes that wait for clients. The holder that has waited longest gives way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.holders: dict[Holder, int] = {}
        """With their bytes, in the order in which they began to wait."""
        self.total = 0
        """In bytes."""

    def hold(self, holder: Holder, size: int) -> None:
        """Set the bytes of `holder`; evict those that began earliest if it is too much."""
        before = self.holders.get(holder, 0)
        self.total += size - before
        if size:
            self.holders[holder] = size
        elif before:
            del self.holders[holder]
        while self.total > self._limit:
            oldest = next(iter(self.holders))
            self.total -= self.holders.pop(oldest)
            oldest.evict()


class RunningClock:
    """Seconds in which the process ran: no client is silent while it is suspended or blocked."""

    LONGEST_STEP = 2.0
    """A step of the real time that counts in full."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._last = time()
        self.now = 0.0
        """As of the last tick."""

    def tick(self) -> float:
        """Advance, and return `now`."""
        time = self._time()
        self.now += min(time - self._last, self.LONGEST_STEP)
        self._last = time
        return self.now
