"""Delay of the measuring process itself, which is subtracted from measured delays."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Self

_STEP = 0.01
_KEPT = 500


class Lateness:
    """Measures the delay of the event loop within `async with`."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    async def __aenter__(self) -> Self:
        """Start measuring."""
        self._task = asyncio.ensure_future(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop measuring."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(_STEP)
            ended = time.monotonic()
            self._late.append((ended, ended - begun - _STEP))

    def since(self, begun: float) -> float:
        """Return the maximum delay of the loop since `begun`, in seconds."""
        recent = (late for ended, late in self._late if ended >= begun)
        # The current delay is not recorded yet.
        last = self._late[-1][0] if self._late else begun
        return max([0.0, time.monotonic() - last - _STEP, *recent])

    def overdue(self, begun: float, deadline: float) -> float:
        """Return the time over `deadline` (seconds after `begun`), less the delay of the loop."""
        over = time.monotonic() - begun - deadline
        return max(0.0, over - self.since(begun + deadline - 2 * _STEP)) if over > 0 else 0.0
