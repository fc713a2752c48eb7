"""Work beside the calls: it goes on until its owner ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn


async def every(
    interval: float,
    action: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> NoReturn:
    """Await `action` for ever, each time `interval` seconds after it has ended, or after now."""
    while True:
        await sleep(interval)
        await action()


async def end(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel those that there are; return when they have ended, whatever they ended with."""
    there = [task for task in tasks if task is not None]
    for task in there:
        task.cancel()
    if there:
        # Not gather: cancelled itself, it would not wait for them.
        await asyncio.wait(there)
