"""Who is served now, who waits and who is refused: places for calls, shared out among callers.

Unary calls and streams have places of their own, so that readers of long lists cannot keep the
short calls out. Health and reflection need none.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rooms_gateway.errors import DeadlineExceededError, OverloadedError

RETRY_AFTER_RANGE = (0.5, 1.5)
"""Seconds after which the refused may come again; spread, lest they all come at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls of one kind there may be."""

    running: int
    queued: int = 0
    """How many more may wait for a place."""
    running_per_caller: int | None = None
    """None: a caller may have all places."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The places of all kinds of calls."""

    calls: ConcurrencyLimiter
    """For unary calls."""
    streams: ConcurrencyLimiter
    write_stall_timeout: float = 60.0
    """Seconds for which the reader of a stream may leave a message before it loses its place."""

    @property
    def queued(self) -> int:
        """How many calls wait."""
        return self.calls.queued + self.streams.queued


class ConcurrencyLimiter:
    """Places for one kind of calls.

    A call takes a place, or waits for one, and leaves it when it has ended. Whoever waits gets a
    place as soon as there is one: callers take turns, the calls of one caller come in their order.
    So there is never a free place that somebody who waits could have.
    """

    def __init__(
        self,
        kind: str,
        limits: Limits,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Make free places. `kind` is what the refused are told there is too much of: "calls"."""
        self._kind = kind
        self._most = limits.running
        self._most_queued = limits.queued
        self._most_per_caller = limits.running_per_caller or limits.running
        self._uniform = uniform
        self.running = 0
        """How many places are taken."""
        self.queued = 0
        """How many calls wait for a place."""
        self._running_by_caller: dict[str, int] = {}
        # In the order in which the callers have their turns. The inner dicts are ordered sets.
        self._queue: OrderedDict[str, dict[asyncio.Future[None], None]] = OrderedDict()

    def take(self, caller: str) -> bool:
        """Take a place at once, or return False. The whole cost of a call when there is room."""
        running = self._running_by_caller.get(caller, 0)
        if self.running >= self._most or running >= self._most_per_caller:
            return False
        self.running += 1
        self._running_by_caller[caller] = running + 1
        return True

    async def wait(self, caller: str, seconds: float) -> None:
        """Wait for a place, for `seconds` at the most, and take it.

        Raises OverloadedError if too many wait already, also later, when a caller that has fewer
        waiting needs the room; DeadlineExceededError if the time is over.
        """
        if not self._room_to_wait(caller):
            raise self._overloaded(caller)
        turn = asyncio.get_running_loop().create_future()
        self._queue.setdefault(caller, {})[turn] = None
        self.queued += 1
        try:
            async with asyncio.timeout(seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as end:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The place came together with the end of the wait: somebody else can have it.
                self.leave(caller)
            if isinstance(end, TimeoutError):
                raise DeadlineExceededError("the deadline passed while the call waited") from None
            raise
        finally:
            self._leave_queue(caller, turn)

    def leave(self, caller: str) -> None:
        """Leave a place, to the next who may have it."""
        self.running -= 1
        running = self._running_by_caller[caller] - 1
        if running:
            self._running_by_caller[caller] = running
        else:
            del self._running_by_caller[caller]
        if self._queue:
            self._call_next()

    def _call_next(self) -> None:
        for caller, turns in self._queue.items():
            # One that was cancelled stays here until its task runs.
            turn = next((each for each in turns if not each.done()), None)
            if turn is not None and self.take(caller):
                self._queue.move_to_end(caller)
                self._leave_queue(caller, turn)
                turn.set_result(None)
                return

    def _room_to_wait(self, caller: str) -> bool:
        """Return whether one more may wait; if need be, at the cost of who has most waiting."""
        if self.queued < self._most_queued:
            return True
        if not self._queue:
            return False
        greediest = max(self._queue, key=lambda each: len(self._queue[each]))
        if len(self._queue[greediest]) <= len(self._queue.get(caller, ())) + 1:
            return False
        last = next(reversed(self._queue[greediest]))
        self._leave_queue(greediest, last)
        if not last.done():
            last.set_exception(self._overloaded(greediest))
        return True

    def _leave_queue(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._queue.get(caller, {})
        if turn in turns:
            del turns[turn]
            self.queued -= 1
            if not turns:
                del self._queue[caller]

    def _overloaded(self, caller: str) -> OverloadedError:
        alone = self._running_by_caller.get(caller, 0) >= self._most_per_caller < self._most
        return OverloadedError(
            f"the caller has {self._most_per_caller} {self._kind} under way already"
            if alone
            else f"the gateway serves {self._most} {self._kind} already",
            retry_after=self._uniform(*RETRY_AFTER_RANGE),
        )


@lru_cache(maxsize=1024)
def host_of(peer: str) -> str:
    """Return whose calls those are that come from `peer`, if nothing else is known of them.

    `peer` is what grpc says: "ipv4:127.0.0.1:4242", "ipv6:[::1]:4242", "unix:". All who come
    through Unix sockets are one caller, which is what they are beside a sidecar.
    """
    return peer.rpartition(":")[0] if peer.startswith("ip") else "unix"
