"""One timer for many waits, of which hardly any lasts until it is due."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class ReusableTimer:
    """Says when a wait has lasted too long; only one wait at a time.

    Starting and stopping cost next to nothing: what was given to the event loop stays there over
    many waits, and asks when it is due whether one is over its time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], object]) -> None:
        """Take what to call when a wait has lasted too long."""
        self._loop = loop
        self._on_due = on_due
        self._deadline = math.inf
        self._handle: asyncio.TimerHandle | None = None
        """Due by the deadline, or earlier: by that of a wait before."""

    def start(self, deadline: float) -> None:
        """Begin a wait, in place of the one before; `deadline` is by the loop's clock."""
        self._deadline = deadline
        if self._handle is None or self._handle.when() > deadline:
            self.close()
            self._handle = self._loop.call_at(deadline, self._ask)

    def stop(self) -> None:
        """End the wait."""
        self._deadline = math.inf

    def close(self) -> None:
        """Leave nothing with the loop; the next start begins anew."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ask(self) -> None:
        self._handle = None
        if self._loop.time() >= self._deadline:
            self._on_due()
        elif self._deadline < math.inf:
            self.start(self._deadline)
