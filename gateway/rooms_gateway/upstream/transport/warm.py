"""Warm connections: opened before a call needs them, and replaced before they end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from rooms_gateway.upstream.transport.pool import Pool

AHEAD = 6.0
"""Seconds before its end at which a connection is replaced; more than a handshake may take."""

MIN_PAUSE, MAX_PAUSE = 1.0, 60.0
"""Range of the backoff between openings, in seconds."""

STABLE = 10.0
"""Seconds without a loss after which the backoff starts again at its minimum."""

PAUSE_JITTER = 0.5
"""Random share of the backoff, so that replicas do not connect in step."""


async def keep_warm(
    pool: Pool, count: int, *, uniform: Callable[[float, float], float] = random.uniform
) -> None:
    """Keep `count` connections open until cancelled; 0 keeps none.

    Errors are ignored, because a call that needs a connection opens one and reports its error.
    While openings fail, or the server closes new connections, the backoff doubles.
    """
    if count == 0:
        return
    loop, pause = asyncio.get_running_loop(), MIN_PAUSE
    while True:
        missing = count - sum(end - AHEAD > loop.time() for end in pool.ends())
        await asyncio.gather(*(pool.open_spare() for _ in range(missing)), return_exceptions=True)
        await asyncio.sleep(pause * uniform(1 - PAUSE_JITTER, 1))
        waiting_since = loop.time()
        await _until_missing(pool, count)
        lasted = loop.time() - waiting_since > STABLE
        pause = MIN_PAUSE if lasted else min(2 * pause, MAX_PAUSE)


async def _until_missing(pool: Pool, count: int) -> None:
    """Return when fewer than `count` connections will outlast the next AHEAD seconds."""
    loop = asyncio.get_running_loop()
    while True:
        ends = sorted(pool.ends(), reverse=True)[:count]
        if len(ends) < count or ends[-1] - AHEAD <= loop.time():
            return
        pool.one_lost.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends[-1] - AHEAD):
                await pool.one_lost.wait()
