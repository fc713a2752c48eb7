"""Graceful shutdown: the order of steps that loses no call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import grpc

_SETTLE = 0.05
"""Seconds for an accepted call to reach its handler, and for a response to be sent."""

_NOTIFY = 0.1
"""Seconds for health watchers to receive NOT_SERVING, and for calls they sent before to arrive."""

_EXTRA_GRACE = 5.0
"""Seconds by which the grace that grpc gets exceeds the one that is measured here."""


class Calls(Protocol):
    """The calls of the gateway's services."""

    @property
    def running(self) -> int:
        """Number of calls in flight."""

    def end_streams(self) -> None:
        """Let bulk streams end after the items that they have read."""

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""


class Health(Protocol):
    """The health service."""

    @property
    def watched(self) -> bool:
        """Whether there are watchers to notify of a change."""

    def set_serving(self, serving: bool) -> None:
        """Change the status, and notify all watchers at once."""


async def drain(
    server: grpc.aio.Server, health: Health, calls: Calls, *, delay: float, grace: float
) -> bool:
    """Turn health NOT_SERVING, keep serving for `delay` seconds, stop accepting, wait for calls.

    grpc ends a call as CANCELLED that arrives while it stops accepting. Clients that watch health
    send none by then, which is why they get a moment to be notified even without a delay.

    Calls that are in flight after `grace` seconds are aborted; returns whether there were none.
    Health watchers and reflection streams never end by themselves, so the grace ends early when
    only they are left. Cancelling this aborts all calls at once.
    """
    health.set_serving(False)
    stops: list[asyncio.Future[None]] = []
    try:
        await asyncio.sleep(max(delay, _NOTIFY) if health.watched else delay)
        # The grace is measured here, because grpc does not report which calls it aborted.
        stopped = asyncio.ensure_future(server.stop(grace + _EXTRA_GRACE))
        stops.append(stopped)
        calls.end_streams()
        idle = asyncio.ensure_future(_settled(calls.wait_idle))
        try:
            done, _ = await asyncio.wait(
                [stopped, idle], timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            idle.cancel()
        return bool(done) or not calls.running
    finally:
        # Also after a second signal, while the calls that it aborts still have all their resources.
        await server.stop(None)
        await asyncio.gather(*stops)


async def _settled(wait_idle: Callable[[], Awaitable[None]]) -> None:
    """Return when no call is in flight, arriving, or sending its response."""
    await asyncio.sleep(_SETTLE)
    await wait_idle()
    await asyncio.sleep(_SETTLE)
