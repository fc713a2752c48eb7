"""Concurrency limits: which calls are served, queued or rejected, shared fairly among callers.

Unary calls and streams have separate slots, so that clients of long lists cannot block short calls.
So have health watches and reflection streams; the other calls of health need no slot.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from rooms_gateway.errors import DeadlineExceededError, OverloadedError

RETRY_AFTER_RANGE = (0.5, 1.5)
"""Range of `retry_after` in seconds; random, so that rejected callers do not return in one wave."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one kind of calls."""

    running: int
    """Number of slots."""
    queued: int = 0
    """Maximum number of calls that wait for a slot."""
    running_per_caller: int | None = None
    """Maximum number of slots of one caller; None: all."""


_WATCHES = Limits(1000, running_per_caller=100)
"""A client has one for each connection; in grpc, each takes 14 kB."""

_REFLECTION_STREAMS = Limits(20, running_per_caller=10)
"""A tool opens one; each can keep an unread response of 330 kB."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The limiters of all kinds of calls."""

    calls: ConcurrencyLimiter
    """Limiter of unary calls."""
    streams: ConcurrencyLimiter
    write_stall_timeout: float = 60.0
    """Seconds a client may leave a response unread before its call loses its slot."""
    watches: ConcurrencyLimiter = field(
        default_factory=lambda: ConcurrencyLimiter("health watches", _WATCHES)
    )
    reflection: ConcurrencyLimiter = field(
        default_factory=lambda: ConcurrencyLimiter("reflection streams", _REFLECTION_STREAMS)
    )

    @property
    def queued(self) -> int:
        """Number of queued calls."""
        return self.calls.queued + self.streams.queued


class ConcurrencyLimiter:
    """A semaphore with a bounded queue and fair scheduling.

    A call acquires a slot, or waits for one, and releases it when it has ended. A free slot goes to
    the next queued call: callers are served alternately, the calls of one caller in their order.
    Invariant: no slot is free while a call that may take it is waiting.
    """

    def __init__(
        self,
        kind: str,
        limits: Limits,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Start with all slots free. `kind` names the calls in errors: "calls"."""
        self._kind = kind
        self._max_running = limits.running
        self._max_queued = limits.queued
        self._max_per_caller = limits.running_per_caller or limits.running
        self._uniform = uniform
        self.running = 0
        """Number of acquired slots."""
        self.queued = 0
        """Number of calls that wait for a slot."""
        self._running_by_caller: dict[str, int] = {}
        # Callers in the order in which they are served next. The inner dicts are ordered sets.
        self._queue: OrderedDict[str, dict[asyncio.Future[None], None]] = OrderedDict()

    def try_acquire(self, caller: str) -> bool:
        """Acquire a slot and return True, or return False. The fast path of every call."""
        running = self._running_by_caller.get(caller, 0)
        if self.running >= self._max_running or running >= self._max_per_caller:
            return False
        self.running += 1
        self._running_by_caller[caller] = running + 1
        return True

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Hold a slot inside of `with`. Raises OverloadedError if none is free."""
        if not self.try_acquire(caller):
            raise self._overloaded(caller)
        try:
            yield
        finally:
            self.release(caller)

    async def acquire(self, caller: str, max_wait: float) -> None:
        """Wait for a slot for at most `max_wait` seconds, and acquire it.

        Raises OverloadedError if the queue is full, also later, if the entry is evicted in favor of
        a caller with fewer entries; DeadlineExceededError after `max_wait`.
        """
        if not self._make_room(caller):
            raise self._overloaded(caller)
        entry = asyncio.get_running_loop().create_future()
        self._queue.setdefault(caller, {})[entry] = None
        self.queued += 1
        try:
            async with asyncio.timeout(max_wait):
                await entry
        except (TimeoutError, asyncio.CancelledError) as end:
            if entry.done() and not entry.cancelled() and entry.exception() is None:
                # The slot was granted while the wait ended: pass it on.
                self.release(caller)
            if isinstance(end, TimeoutError):
                raise DeadlineExceededError(
                    "the deadline passed while the call was queued"
                ) from None
            raise
        finally:
            self._dequeue(caller, entry)

    def release(self, caller: str) -> None:
        """Release a slot, and grant it to the next queued call that may take it."""
        self.running -= 1
        running = self._running_by_caller[caller] - 1
        if running:
            self._running_by_caller[caller] = running
        else:
            del self._running_by_caller[caller]
        if self._queue:
            self._grant()

    def _grant(self) -> None:
        for caller, entries in self._queue.items():
            # A cancelled entry stays in the queue until its task runs.
            entry = next((each for each in entries if not each.done()), None)
            if entry is not None and self.try_acquire(caller):
                self._queue.move_to_end(caller)
                self._dequeue(caller, entry)
                entry.set_result(None)
                return

    def _make_room(self, caller: str) -> bool:
        """Return whether a call of `caller` may be queued; evict a greedier caller's if full."""
        if self.queued < self._max_queued:
            return True
        if not self._queue:
            return False
        greediest = max(self._queue, key=lambda each: len(self._queue[each]))
        if len(self._queue[greediest]) <= len(self._queue.get(caller, ())) + 1:
            return False
        last = next(reversed(self._queue[greediest]))
        self._dequeue(greediest, last)
        if not last.done():
            last.set_exception(self._overloaded(greediest))
        return True

    def _dequeue(self, caller: str, entry: asyncio.Future[None]) -> None:
        entries = self._queue.get(caller, {})
        if entry in entries:
            del entries[entry]
            self.queued -= 1
            if not entries:
                del self._queue[caller]

    def _overloaded(self, caller: str) -> OverloadedError:
        running = self._running_by_caller.get(caller, 0)
        is_own_limit = running >= self._max_per_caller < self._max_running
        return OverloadedError(
            f"the caller is at its limit of {self._max_per_caller} concurrent {self._kind}"
            if is_own_limit
            else f"the gateway is at its limit of {self._max_running} concurrent {self._kind}",
            retry_after=self._uniform(*RETRY_AFTER_RANGE),
        )


@lru_cache(maxsize=1024)
def host_of(peer: str) -> str:
    """Return the caller name for an unauthenticated `peer`: its host.

    `peer` is as grpc has it: "ipv4:127.0.0.1:4242", "ipv6:[::1]:4242", "unix:". All connections
    over Unix sockets count as one caller, as they are in a sidecar.
    """
    return peer.rpartition(":")[0] if peer.startswith("ip") else "unix"
