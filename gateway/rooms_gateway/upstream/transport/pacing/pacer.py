"""Pacing: holds the requests of an operation family back to the rate that the upstream accepts.

A quota rejects at full speed, so a request that is sent too early costs its call time, and with
some services quota too. One pacer per operation family is shared by all calls for the life of the
process. Until the first rejection, `engaged` is false, and nothing waits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from rooms_gateway.call import Call
from rooms_gateway.errors import ThrottledError
from rooms_gateway.telemetry.metrics.histogram import Histogram
from rooms_gateway.upstream.transport.messages import OperationFamily
from rooms_gateway.upstream.transport.pacing.fair_queue import FairQueue, Waiter
from rooms_gateway.upstream.transport.pacing.family_rate import PUBLISHED_RATES
from rooms_gateway.upstream.transport.pacing.learned_rate import (
    FIRST_RATE,
    MIN_LENGTH,
    LearnedRate,
    Period,
)
from rooms_gateway.upstream.transport.pacing.pause import MAX_PAUSE, Pause
from rooms_gateway.upstream.transport.pacing.token_bucket import TokenBucket

LONG_WAIT = 1.5
"""A requested wait above this, in seconds, is the rest of a quota's window, and pauses all calls.

Services request one second whatever the rate limit is: that holds back the rejected call only."""

FIRST_BACKOFF, NEXT_BACKOFF = 1.0, 0.25
"""Waits after the first rejection without a requested wait, and at least after a further one with
one, in seconds; they double with each rejection."""

MAX_DOUBLINGS = 6
"""Doublings after which a wait grows no further: about a minute."""

MAX_REJECTIONS = 20
"""Rejections after which a call ends, unless it is patient."""

CALM = 30.0
"""Seconds without a rejection after which pacing ends."""

GROWTH = 1.5
"""Requests sent for each accepted one after a pause, while the rate is unknown."""

logger = logging.getLogger(__name__)


def make_pacers(
    *, ceilings: Mapping[OperationFamily, float] | None = None, **arguments: Any
) -> dict[OperationFamily, Pacer]:
    """Return a pacer for each family; `arguments` are further ones of `Pacer`."""
    known = ceilings or {}
    return {
        family: Pacer(family, ceiling=known.get(family, math.inf), **arguments)
        for family in OperationFamily
    }


class Pacer:
    """Holds back the requests of one operation family: acquire, send, record the response."""

    def __init__(
        self,
        family: OperationFamily,
        *,
        ceiling: float = math.inf,
        max_wait: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`ceiling` is in requests per second, `max_wait` in seconds; `clock` is that of `Call`."""
        self._family = family
        self._ceiling = ceiling
        self._first_rate = PUBLISHED_RATES.get(family, FIRST_RATE)
        self._max_wait = max_wait
        self._clock = clock
        self._uniform = uniform
        self._queue = FairQueue()
        self._timer: asyncio.TimerHandle | None = None
        self._latency = 0.0
        self._bucket = TokenBucket(clock())
        # The rate, and the episode of throttling in which it was learned.
        self._learned = LearnedRate(ceiling)
        self._throttled_since: float | None = None
        self._rejections = 0
        self._last_rejected = self._last_accepted = -math.inf
        # The pause, and the state after it.
        self._pause = Pause()
        self._resuming = False
        """From a pause to the first accepted request that was sent after it."""
        self._rate_unknown = False
        """From a pause until the rate is known: requests are sent for accepted ones."""
        self._trust_waits_at = -math.inf
        """Instant from which on a requested wait may begin a pause."""
        self.engaged = ceiling < math.inf
        """Whether requests must be acquired, and responses recorded by `accepted`."""
        self.period_end = -math.inf
        """While the pacer is not engaged: instant after which a response must be recorded."""
        self.count = 0
        """While it is not engaged: accepted requests in the second before `period_end`."""
        self.waits = Histogram()
        """Waits of requests, in seconds."""
        self.rejected_calls = 0
        """Calls that ended because their request could not be sent in time."""

    @property
    def rate(self) -> float:
        """Requests per second that are sent; infinite: any."""
        rate = self._learned.rate
        return min(self._first_rate, rate) if self._rate_unknown else rate

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def paused_seconds(self) -> float:
        """Seconds that all requests were held back, since the process started."""
        return self._pause.seconds(self._clock())

    # Before a request

    async def acquire(self, call: Call, *, again: bool) -> None:
        """Wait until a request of `call` may be sent. `again`: its last attempt was rejected.

        Callers are served alternately; a rejected request precedes the others of its caller.
        Raises ThrottledError if the request cannot be sent in time, as soon as that is known.
        """
        now = self._clock()
        if not self._queue and self._take(now):
            return
        latest = self._latest(call, now)
        expected = self._expected_wait(call, now)
        if now + (0.0 if again else expected) > latest:
            raise self._too_late(expected)
        released = asyncio.get_running_loop().create_future()
        waiter = Waiter(call.queue_key, call.bulk, latest, released)
        self._queue.add(waiter, first=again)
        self._schedule(now)
        try:
            async with asyncio.timeout(latest - now):
                await released
        except TimeoutError:
            raise self._too_late(self._expected_wait(call, self._clock())) from None
        except asyncio.CancelledError:
            if released.done() and not released.cancelled() and not released.exception():
                # Released while it was cancelled: another request is sent instead.
                self._bucket.tokens += 1
                self._schedule(self._clock())
            raise
        finally:
            self._queue.discard(waiter)
            self.waits.observe(self._clock() - now)

    @property
    def _margin(self) -> float:
        """Seconds that a request takes: one sent later would only cost quota."""
        return 0.1 + 3 * self._latency

    def _latest(self, call: Call, now: float) -> float:
        """Return the instant after which a request of `call` would be too late."""
        # One that waits in a unary call holds a slot, which others wait for. Items of a bulk stream
        # share the slot of the stream, and to reject one would only make its client send it again.
        max_wait = math.inf if call.patient else self._max_wait
        return min(call.deadline - self._margin, now + max_wait)

    def _expected_wait(self, call: Call, now: float) -> float:
        rate, tokens = self._learned.rate, self._bucket.tokens
        if self._resuming and (average := self._learned.average()):
            rate, tokens = average
        ahead = self._queue.ahead(call.queue_key, bulk=call.bulk)
        return max(0.0, self._pause.until - now) + max(0.0, ahead + 1 - tokens) / rate

    def _too_late(self, wait: float) -> ThrottledError:
        self.rejected_calls += 1
        return ThrottledError(
            f"{self._family.service} throttles {self._family.words}, and the request could not be "
            f"sent in time: retry in {wait:.1f} s",
            retry_after=wait,
        )

    def _take(self, now: float) -> bool:
        """Take a token; return whether there was one."""
        return now >= self._pause.until and self._bucket.take(now, self.rate)

    def _schedule(self, now: float) -> None:
        """Set the timer to the next release."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._queue:
            return
        self._bucket.fill(now, self.rate)
        delay = max(0.0, self._pause.until - now) + self._bucket.wait(self.rate)
        # A little later, because rounding could leave a token incomplete.
        self._timer = asyncio.get_running_loop().call_later(delay + 1e-6, self._release)

    def _release(self) -> None:
        self._timer = None
        now = self._clock()
        while self._queue and self._take(now):
            waiter = self._queue.pop()
            if waiter.released.done() or waiter.latest < now:
                self._bucket.tokens += 1
            else:
                waiter.released.set_result(None)
        self._schedule(now)

    # After a response

    def accepted(self, sent_at: float) -> None:
        """Record a response, not with status 429, to a request that was sent at `sent_at`."""
        now = self._clock()
        self._latency += 0.1 * (now - sent_at - self._latency)
        if not self.engaged:
            self.count = 1
            self.period_end = now + MIN_LENGTH
        elif sent_at < self._pause.until:
            self._learned.record_late()
            if self._pause.record(now, sent_at, accepted=True):
                self._end_pause(now)
        else:
            self._last_accepted = now
            self._pause.fruitless = 0
            self._resume(now)
            self._learn(now, sent_at, accepted=True)

    def rejected(
        self, call: Call, requested: float | None, sent_at: float, earlier: int
    ) -> float | None:
        """Record a response with status 429; return the wait before the next attempt.

        `requested` is the wait that the response requests, in seconds; `earlier` is the number of
        earlier rejections of the call. None: the call cannot wait for a further attempt.
        """
        now = self._clock()
        self._begin(now)
        # A wait of 0 is none.
        factor = 2 ** min(earlier, MAX_DOUBLINGS)
        wait = requested or FIRST_BACKOFF * factor
        if earlier:
            wait = max(wait, NEXT_BACKOFF * factor)
        if sent_at < self._pause.until:
            self._pause.record(now, sent_at, accepted=False)
        elif requested and requested > LONG_WAIT and now >= self._trust_waits_at:
            self._begin_pause(now, requested, sent_at)
        elif self._resuming or now > max(self._last_accepted + MIN_LENGTH, self._learned.off_until):
            # Nothing is accepted at all: a pause that grows.
            backoff = FIRST_BACKOFF * 2 ** min(self._pause.fruitless, MAX_DOUBLINGS)
            self._begin_pause(now, requested or backoff, sent_at)
        else:
            self._learn(now, sent_at, accepted=False)
        wait += self._uniform(0, 0.1 * min(wait, 1.0))
        if call.patient:
            # Its requests are held back by the pause, after which one is tried.
            wait = min(wait, MAX_PAUSE)
        exhausted = earlier + 1 >= MAX_REJECTIONS and not call.patient
        return None if exhausted or now + wait > self._latest(call, now) else wait

    def _learn(self, now: float, sent_at: float, *, accepted: bool) -> None:
        rate = self.rate
        backlog = bool(self._queue)
        if self._learned.record(now, sent_at, accepted=accepted, backlog=backlog):
            self._rate_unknown = False
        if self.rate < rate:
            self._bucket.restart(now)
        if self.rate != rate:
            self._schedule(now)

    # Pauses

    def _begin_pause(self, now: float, wait: float, sent_at: float) -> None:
        self._pause.begin(now, wait, sent_at)
        until = self._pause.until
        self._resuming = self._rate_unknown = True
        self._learned.pause(until)
        self._bucket.restart(until)
        for waiter in self._queue:
            if waiter.latest < until and not waiter.released.done():
                waiter.released.set_exception(self._too_late(until - now))
        self._schedule(now)

    def _end_pause(self, now: float) -> None:
        """End a pause early."""
        self._pause.end(now)
        self._last_accepted = now
        self._resuming = self._rate_unknown = False
        self._trust_waits_at = now + CALM
        self._learned.period = Period(now)
        self._bucket.restart(now)
        self._schedule(now)

    def _resume(self, now: float) -> None:
        """After a pause, send further requests for an accepted one."""
        if self._resuming:
            self._resuming = False
            burst = self._learned.resume()
            self._bucket.tokens = max(self._bucket.tokens, burst)
            self._rate_unknown = math.isinf(self._learned.rate)
        elif not self._rate_unknown:
            return
        if self._rate_unknown:
            self._bucket.tokens += GROWTH
        self._schedule(now)

    # Episodes of throttling

    def _begin(self, now: float) -> None:
        self._last_rejected = now
        self._rejections += 1
        if self._throttled_since is not None:
            return
        self._throttled_since = now
        if not self.engaged:
            self._begin_period(now)
        self.engaged = True
        logger.warning(
            "throttled: %s rejects %s with HTTP status 429; holding requests back",
            self._family.service,
            self._family.words,
        )
        asyncio.get_running_loop().call_later(CALM, self._end_if_calm)

    def _begin_period(self, now: float) -> None:
        """Begin the first period with the requests that were accepted in the second before."""
        start = self.period_end - MIN_LENGTH
        if now >= self.period_end + MIN_LENGTH:
            self._learned.period = Period(now, counts_earlier=True)
            return
        self._learned.period = Period(start, self.count, early=self.count, counts_earlier=True)
        self._last_accepted = now

    def _end_if_calm(self) -> None:
        now = self._clock()
        if self._queue or now < self._last_rejected + CALM:
            delay = max(1.0, self._last_rejected + CALM - now)
            asyncio.get_running_loop().call_later(delay, self._end_if_calm)
            return
        logger.info(
            "no longer throttled: %s rejected %d requests for %s in %.0f s",
            self._family.service,
            self._rejections,
            self._family.words,
            self._last_rejected - (self._throttled_since or now),
        )
        self._throttled_since = None
        self._rejections = 0
        self._learned.reset()
        self._resuming = self._rate_unknown = False
        self.engaged = self._ceiling < math.inf
        self.period_end = -math.inf
