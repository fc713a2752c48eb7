"""Fair scheduling of connections, so that those with much to process do not delay others."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

SLICE = 0.002
"""Seconds for the frames of all connections until the event loop serves everything else."""


class Waiting(Protocol):
    """A connection that has frames to process."""

    scheduled: bool
    """Whether it is in a queue."""

    def take_turn(self) -> bool:
        """Process a few frames; return whether there were any."""


class Turns:
    """Queues of connections, by the rule of FQ-CoDel for flows (RFC 8290, 4.2).

    A connection that was idle, and has little to process, comes first, once. It then waits in order
    with the busy ones, until a turn finds it without frames.
    """

    __slots__ = ("_busy", "_idle", "_loop", "paused", "spent")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: deque[Waiting] = deque()
        """Those that were idle before, and have little to process."""
        self._busy: deque[Waiting] = deque()
        self.paused = False
        """Whether connections with frames must wait."""
        self.spent = 0.0
        """Seconds spent since the last pause."""

    def wait(self, connection: Waiting, *, small: bool) -> None:
        """Have `connection` take a turn in one of the next rounds of the loop.

        `small`: it has so little to process that it may come first, if it was idle.
        """
        if not connection.scheduled:
            connection.scheduled = True
            (self._idle if small else self._busy).append(connection)
        if not self.paused:
            self.pause()

    def pause(self) -> None:
        """Process no frames in this round of the loop."""
        self.paused = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        self.spent = 0.0
        while (queue := self._idle or self._busy) and self.spent < SLICE:
            connection = queue.popleft()
            if connection.take_turn() or queue is self._idle:
                self._busy.append(connection)
            else:
                connection.scheduled = False
        if self._idle or self._busy:
            self._loop.call_soon(self._run)
        else:
            self.paused = False
