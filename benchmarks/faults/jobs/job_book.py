"""Jobs and syncs of one caller: a sync that failed is repeated next, a bulk item at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from benchmarks.faults.calls import BULK, Call, Guest, Kind, raw_id_of
from benchmarks.faults.verdicts import OK, Outcome

ROLES = ("Attendee", "Presenter", "Consumer")
FIRST, AGAIN = f"{1:032x}", f"{2:032x}"
"""Traces of a job that is sent, and of its items that are sent again."""


class JobBook:
    """Draws calls, and keeps those that failed.

    `new_room` returns the id of another room; `deadline` is that of each call, in seconds.
    """

    def __init__(self, random: Random, deadline: float, new_room: Callable[[], str]) -> None:
        self._random = random
        self._deadline = deadline
        self._new_room = new_room
        self._room = ""
        self._roster: tuple[Guest, ...] = ()
        """The last list of the room of this caller."""
        self._failed: dict[str, Call] = {}
        """Calls to repeat, by key; that of a sync is its room."""

    def draw(self, kind: Kind, number: int) -> Call:
        """Draw a call; `number` must be unique."""
        if kind is Kind.BULK_CREATE:
            return Call(kind, "", raw_id_of(number), self._deadline, trace=FIRST)
        if kind is Kind.BULK_DELETE:
            return Call(kind, self._new_room(), deadline=self._deadline, trace=FIRST)
        if kind is Kind.SYNC and not self._failed:
            self._room = self._room or self._new_room()
            self._roster = tuple(self._changed(number))
        trace = _trace(number)
        return Call(kind, self._room, deadline=self._deadline, guests=self._roster, trace=trace)

    def repeats(self, number: int) -> Iterator[Call]:
        """Return calls that repeat what failed, and nothing else; they count from `number`."""
        for index, call in enumerate(list(self._failed.values())):
            yield replace(call, trace=AGAIN if call.kind in BULK else _trace(number + index))

    def record(self, call: Call, outcome: Outcome) -> None:
        """Keep the call if it failed and can be repeated."""
        self._failed.pop(call.key, None)
        if outcome.code != OK and call.kind in {*BULK, Kind.SYNC}:
            self._failed[call.key] = call

    def _changed(self, number: int) -> Iterator[Guest]:
        """Return the last list with some participants removed, changed and added."""
        for guest in self._roster:
            if self._random.random() < 0.75:
                role = self._random.choice(ROLES)
                yield replace(guest, role=role) if self._random.random() < 0.25 else guest
        for index in range(self._random.randrange(4)):
            yield Guest(raw_id_of(0x10000000 + 4 * number + index), self._random.choice(ROLES))


def _trace(number: int) -> str:
    # Zero is no trace id, and the first two are those of bulk jobs.
    return f"{number + 3:032x}"
