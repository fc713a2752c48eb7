"""Lists take turns: what calls would wait for is done in pieces, and the event loop free between.

A call goes through the loop some ten times before it is answered, and grpc accepts one call after
another, each over rounds of the loop of its own. If every list converted a page in every round, a
few calls at once would wait for a hundred pages. So lists convert one piece at a time among them
all, with free rounds between: however many lists there are, a call waits for a few pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

PIECE = 32
"""Items that are converted at once: a tenth of a millisecond, no more than a call takes."""

FREE_ROUNDS = 4
"""Rounds of the loop before each piece; one that has nothing to do takes a microsecond or two."""


class Turns:
    """The turns of all lists of a server, in the order of asking."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def convert(self, items: Sequence[T], convert: Callable[[Sequence[T]], None]) -> None:
        """Call `convert` with all `items`, in pieces."""
        for start in range(0, len(items), PIECE):
            async with self._turn:
                for _ in range(FREE_ROUNDS):
                    await asyncio.sleep(0)
                convert(items[start : start + PIECE])
