"""Helpers for asyncio: periodic work, cancellation that waits, and a reusable timer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NoReturn, TypeVar

A = TypeVar("A")
B = TypeVar("B")


async def every(
    interval: float,
    action: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> NoReturn:
    """Sleep for `interval` seconds, await `action`, and repeat until cancelled."""
    while True:
        await sleep(interval)
        await action()


async def cancel_and_wait(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel `tasks` and return when all have ended, with a result or not. None is ignored."""
    existing = [task for task in tasks if task is not None]
    for task in existing:
        task.cancel()
    if existing:
        # Not gather: it returns early if it is cancelled itself, and leaves the tasks running.
        await asyncio.wait(existing)


async def gather_or_cancel(
    first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]
) -> tuple[A, B]:
    """Await both concurrently and return both results; raise the first error, cancel the other."""
    tasks = (asyncio.ensure_future(first), asyncio.ensure_future(second))
    try:
        return await asyncio.gather(*tasks)
    finally:
        await cancel_and_wait(*tasks)


async def map_concurrently(
    function: Callable[[A], Awaitable[B]], items: Iterable[A], limit: int
) -> list[B]:
    """Await `function` for each of `items`, up to `limit` at once; return the results in order.

    The first error cancels all others, and is raised in an ExceptionGroup.
    """
    free = asyncio.Semaphore(limit)

    async def run(item: A) -> B:
        async with free:
            return await function(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(item)) for item in items]
    return [task.result() for task in tasks]


class ReusableTimer:
    """Calls back when a wait passes its deadline. One wait at a time; the timer is reused.

    Starting and stopping a wait rarely touches the event loop: one scheduled callback serves many
    waits, and checks when it runs whether the current wait is overdue.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], object]) -> None:
        """Call `on_due` for each wait that passes its deadline."""
        self._loop = loop
        self._on_due = on_due
        self._deadline = math.inf
        self._handle: asyncio.Handle | None = None
        """Scheduled at the deadline or earlier, at the deadline of a previous wait."""
        # Not the handle's: uvloop returns one without a time if the deadline has passed.
        self._due = math.inf

    def start(self, deadline: float) -> None:
        """Replace the current wait by one until `deadline`, in seconds of `loop.time()`."""
        self._deadline = deadline
        if self._due > deadline:
            self.close()
            self._due = deadline
            self._handle = self._loop.call_at(deadline, self._check)

    def stop(self) -> None:
        """End the current wait."""
        self._deadline = math.inf

    def close(self) -> None:
        """Remove the scheduled callback; `start` schedules a new one."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._due = math.inf

    def _check(self) -> None:
        self._handle = None
        self._due = math.inf
        if self._loop.time() >= self._deadline:
            self._on_due()
        elif self._deadline < math.inf:
            self.start(self._deadline)
