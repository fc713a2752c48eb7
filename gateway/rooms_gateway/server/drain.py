"""The stop, in the order that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import grpc

_SETTLE = 0.05
"""Seconds for a call that came in with the stop to reach its handler, or for an answer to leave."""

_HEARD = 0.1
"""Seconds for those who watch health to hear of a stop, and for what they sent before to arrive."""

_LONGER = 5.0
"""Seconds that grpc would wait longer than we do."""


class Calls(Protocol):
    """The calls of our services."""

    @property
    def running(self) -> int:
        """How many are in flight."""

    async def wait_idle(self) -> None:
        """Return when none is."""


class Health(Protocol):
    """What callers are told of the gateway."""

    @property
    def watched(self) -> bool:
        """Whether somebody wants to be told of changes."""

    def say(self, *, serving: bool) -> None:
        """Tell all of them whether calls are welcome."""


async def drain(
    server: grpc.aio.Server, health: Health, calls: Calls, *, delay: float, grace: float
) -> bool:
    """Say so, serve on for `delay` seconds, stop listening, let the calls in flight finish.

    grpc ends calls as CANCELLED that arrive in the moment in which it stops. Who watches health has
    sent none by then, so watchers get a moment to hear of it even without a delay.

    What is left after `grace` seconds is ended; returns whether there was no such call. Health
    watchers and reflection streams never end by themselves, so the grace is cut short when only
    they are left. When this is cancelled, all that is left is ended at once.
    """
    health.say(serving=False)
    stops: list[asyncio.Future[None]] = []
    try:
        # Those who send calls here need time to hear of it: until then, new ones are welcome.
        await asyncio.sleep(max(delay, _HEARD) if health.watched else delay)
        # The grace is watched here, since grpc does not tell what it had to end; its own is longer.
        stopped = asyncio.ensure_future(server.stop(grace + _LONGER))
        stops.append(stopped)
        idle = asyncio.ensure_future(_settled(calls.wait_idle))
        try:
            done, _ = await asyncio.wait(
                [stopped, idle], timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            idle.cancel()
        return bool(done) or not calls.running
    finally:
        # A second signal comes here too, while the calls that it ends still have all they need.
        await server.stop(None)
        await asyncio.gather(*stops)


async def _settled(wait_idle: Callable[[], Awaitable[None]]) -> None:
    """Return when no call is running, none is on its way in, and no answer on its way out."""
    await asyncio.sleep(_SETTLE)
    await wait_idle()
    await asyncio.sleep(_SETTLE)
