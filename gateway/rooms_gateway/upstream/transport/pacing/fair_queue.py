"""Queue of the pacer: two classes, and within each callers served alternately."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass

BULK_EVERY = 5
"""While interactive requests wait, every fifth release goes to a bulk request."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that waits."""

    caller: str
    bulk: bool
    latest: float
    """Instant after which a release would be too late, in seconds of the pacer's clock."""
    released: asyncio.Future[None]


class FairQueue:
    """Waiters in the order of their release: interactive before bulk, callers alternately."""

    def __init__(self) -> None:
        self._classes: dict[bool, OrderedDict[str, deque[Waiter]]] = {
            False: OrderedDict(),
            True: OrderedDict(),
        }
        self._length = 0
        self._since_bulk = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiter]:
        for callers in self._classes.values():
            for waiters in callers.values():
                yield from waiters

    def add(self, waiter: Waiter, *, first: bool) -> None:
        """Append a waiter to those of its caller, or put it before them."""
        waiters = self._classes[waiter.bulk].setdefault(waiter.caller, deque())
        if first:
            waiters.appendleft(waiter)
            self._classes[waiter.bulk].move_to_end(waiter.caller, last=False)
        else:
            waiters.append(waiter)
        self._length += 1

    def discard(self, waiter: Waiter) -> None:
        """Remove a waiter, if it is still in the queue."""
        callers = self._classes[waiter.bulk]
        waiters = callers.get(waiter.caller)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            self._length -= 1
            if not waiters:
                del callers[waiter.caller]

    def pop(self) -> Waiter:
        """Remove and return the next waiter. The queue must not be empty."""
        interactive, bulk = self._classes[False], self._classes[True]
        is_bulk = bool(bulk) and (not interactive or self._since_bulk >= BULK_EVERY - 1)
        self._since_bulk = 0 if is_bulk else self._since_bulk + 1
        callers = bulk if is_bulk else interactive
        caller, waiters = next(iter(callers.items()))
        waiter = waiters.popleft()
        self._length -= 1
        if waiters:
            callers.move_to_end(caller)
        else:
            del callers[caller]
        return waiter

    def ahead(self, caller: str, *, bulk: bool) -> float:
        """Return how many releases precede that of a further waiter of `caller`."""
        interactive, bulks = self._classes[False], self._classes[True]
        mine = interactive if not bulk else bulks
        ahead = _ahead(mine, caller)
        if bulk and interactive:
            # The worst case, as further interactive requests may come.
            return (ahead + 1) * BULK_EVERY - 1
        if not bulk and bulks:
            return ahead * BULK_EVERY / (BULK_EVERY - 1)
        return ahead


def _ahead(callers: OrderedDict[str, deque[Waiter]], caller: str) -> int:
    position = len(callers.get(caller, ())) + 1
    return sum(min(len(waiters), position) for waiters in callers.values())
