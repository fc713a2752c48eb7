"""Lists take turns: what calls would wait for is done in pieces, and the event loop free between.

A call goes through the loop some ten times before it is answered, and grpc accepts one call after
another, each over rounds of the loop of its own. If every list converted a page in every round, a
few calls at once would wait for a hundred pages. So lists convert one piece at a time among them
all, with free rounds between: however many lists there are, a call waits for a few pieces.

That costs the lists a tenth, so where there are no calls the pieces are larger.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

PIECE = 32
"""Items that are converted at once: a tenth of a millisecond, no more than a call takes."""

FREE_ROUNDS = 4
"""Rounds of the loop before each piece; one that has nothing to do takes a microsecond or two."""

CALM_PIECE = 128
"""Items that are converted at once while there are no calls: a whole page of the service's."""

CALM = 0.1
"""Seconds after a call for which more are expected; the first of them waits for larger pieces."""


class FairConverter:
    """The turns of all lists of a server, in the order of asking."""

    def __init__(self, calls_in_flight: Callable[[], int]) -> None:
        """Take what tells how many calls there are besides the lists."""
        self._calls_in_flight = calls_in_flight
        self._calm_from = -math.inf
        self._turn = asyncio.Lock()

    async def convert(self, items: Sequence[T], convert: Callable[[Sequence[T]], None]) -> None:
        """Call `convert` with all `items`, in pieces."""
        start = 0
        while start < len(items):
            async with self._turn:
                # Without calls too: in these rounds we hear of a list that was cancelled before its
                # next page is written. grpc.aio keeps a hundred bytes of every write that fails.
                for _ in range(FREE_ROUNDS):
                    await asyncio.sleep(0)
                piece = CALM_PIECE if self._calm() else PIECE
                convert(items[start : start + piece])
            start += piece

    def _calm(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._calls_in_flight():
            self._calm_from = now + CALM
        return now >= self._calm_from
