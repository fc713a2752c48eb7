"""Fair scheduling: list pages are converted in chunks, with event loop rounds for calls in between.

A call takes about ten rounds of the event loop, and grpc.aio accepts one call after another. If
every list converted a whole page per round, a few calls would wait for a hundred pages. Instead all
lists share one converter, which handles one chunk at a time: the wait of a call is a few chunks,
whatever the number of lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

CHUNK_SIZE = 32
"""Items per chunk. Converting them takes about 0.1 ms, as long as a call occupies the loop."""

FREE_ROUNDS = 4
"""Rounds of the event loop before each chunk. A round without work takes 1 to 2 µs."""


class FairConverter:
    """Converts the pages of all lists of a server in chunks, in order of arrival."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def convert(self, items: Sequence[T], convert: Callable[[Sequence[T]], None]) -> None:
        """Call `convert` with consecutive chunks of `items`."""
        for start in range(0, len(items), CHUNK_SIZE):
            async with self._lock:
                # A cancelled list is noticed in these rounds, before its next write: grpc.aio
                # leaks about 100 bytes for each write that fails (docs/decisions/0002-hot-path.md).
                for _ in range(FREE_ROUNDS):
                    await asyncio.sleep(0)
                convert(items[start : start + CHUNK_SIZE])
