"""Making the calls of one scenario on one system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from benchmarks.faults.admissions.guest_book import GuestBook
from benchmarks.faults.calls import ADMISSIONS, CHANGES, Call, Kind, raw_id_of
from benchmarks.faults.disturbances import Pair
from benchmarks.faults.scenario import Scenario
from benchmarks.faults.systems import System
from benchmarks.faults.verdicts import OK, Outcome
from rooms_emulator import Emulator
from rooms_emulator.identity.raw_ids import new_communication_user
from rooms_emulator.rooms.records import Room
from rooms_emulator.rooms.store import Store

PARTICIPANTS = 5
"""Participants of a room that is listed: three pages."""
REPEATS = 3_000_000
"""Number of the first call that repeats what failed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One call and its outcome."""

    caller: int
    number: int
    call: Call
    outcome: Outcome
    roster: str
    """Raw ids on the roster of the room, or ids of all rooms, before the call."""


@dataclass(slots=True)
class Cell:
    """State of one scenario on one system."""

    scenario: Scenario
    system: System | Pair
    emulator: Emulator
    random: Random
    trials: list[Trial] = field(default_factory=list)
    books: list[GuestBook] = field(default_factory=list)
    """Guests of each caller that admits."""

    async def call_all(self, steps: Iterator[tuple[int, Kind]], callers: int) -> None:
        """Make the calls of a plan with `callers` concurrent callers."""
        await asyncio.gather(*(self._caller(number, steps) for number in range(callers)))

    async def call_at(self, steps: Iterator[tuple[int, Kind]], rate: float) -> None:
        """Make the calls of a plan at `rate` calls per second, each by another caller."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as calls:
            for index, step in enumerate(steps):
                await asyncio.sleep(begun + index / rate - loop.time())
                calls.create_task(self._caller(index, iter((step,))))

    async def _caller(self, caller: int, steps: Iterator[tuple[int, Kind]]) -> None:
        changes = not set(CHANGES).isdisjoint(self.scenario.kinds)
        chain = self.emulator.store.seed(1)[0] if changes else ""
        added: list[str] = []
        book = GuestBook(self.random, self.scenario.deadline)
        if not set(ADMISSIONS).isdisjoint(self.scenario.kinds):
            book.admitted[self.emulator.store.seed(1)[0]] = {}
            self.books.append(book)
        for number, drawn in steps:
            if drawn in ADMISSIONS:
                await self._admit(caller, number, book.draw(drawn, number), book)
                continue
            kind = Kind.ADD if drawn is Kind.REMOVE and not added else drawn
            call, roster = self._call(number, kind, chain, added)
            outcome = await self.system(call)
            self.trials.append(Trial(caller, number, call, outcome, roster))
            if kind is Kind.ADD and outcome.code == OK:
                added.append(call.raw_id)

    async def _admit(self, caller: int, number: int, call: Call, book: GuestBook) -> None:
        outcome = await self.system(call)
        self.trials.append(Trial(caller, number, call, outcome, ""))
        book.record(call, outcome)

    async def complete(self) -> None:
        """Repeat what failed of the admissions, as a caller does after an outage."""
        number = REPEATS
        for caller, book in enumerate(self.books):
            for call in book.repeats(number):
                number += 1
                await self._admit(caller, number, call, book)

    def _call(self, number: int, kind: Kind, chain: str, added: list[str]) -> tuple[Call, str]:
        raw_id, room, roster, store = "", "", "", self.emulator.store
        if kind in {Kind.CREATE, Kind.ADD}:
            raw_id = raw_id_of(number)
        if kind is Kind.REMOVE:
            raw_id = added.pop()
        if kind in CHANGES:
            room = chain
        elif kind is Kind.LIST_ROOMS:
            roster = " ".join(room.id for page in room_pages(store) for room in page)
        elif kind is not Kind.CREATE:
            [room] = store.seed(1)
            if kind is Kind.LIST:
                raw_ids = [new_communication_user(self.random) for _ in range(PARTICIPANTS)]
                store.change_roster(room, dict.fromkeys(raw_ids, "Attendee"))
                roster = " ".join(raw_ids)
        cancel = self.scenario.cancel and self.random.uniform(0.001, self.scenario.cancel)
        scenario = self.scenario
        call = Call(kind, room, raw_id, scenario.deadline, scenario.pause, cancel)
        return call, roster


def room_pages(store: Store) -> Iterator[list[Room]]:
    """Read all rooms, page by page."""
    page = store.rooms_page()
    yield page.items
    while page.next is not None:
        page = store.rooms_page(page.next)
        yield page.items
