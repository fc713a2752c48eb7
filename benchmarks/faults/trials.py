"""Making the calls of one scenario on one system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from benchmarks.faults.admissions.guest_book import GuestBook
from benchmarks.faults.calls import ADMISSIONS, CHANGES, JOBS, Call, Kind, raw_id_of
from benchmarks.faults.disturbances import Pair
from benchmarks.faults.jobs.job_book import JobBook
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
    books: list[GuestBook | JobBook] = field(default_factory=list)
    """Guests or jobs of each caller that has some."""

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
        book = self._book()
        for number, drawn in steps:
            if book is not None and drawn in (*ADMISSIONS, *JOBS):
                await self._follow(caller, number, book.draw(drawn, number), book)
                continue
            kind = Kind.ADD if drawn is Kind.REMOVE and not added else drawn
            call, roster = self._call(number, kind, chain, added)
            outcome = await self.system(call)
            self.trials.append(Trial(caller, number, call, outcome, roster))
            if kind is Kind.ADD and outcome.code == OK:
                added.append(call.raw_id)

    def _book(self) -> GuestBook | JobBook | None:
        scenario, store = self.scenario, self.emulator.store
        if not set(JOBS).isdisjoint(scenario.kinds):
            self.books.append(JobBook(self.random, scenario.deadline, lambda: store.seed(1)[0]))
        elif not set(ADMISSIONS).isdisjoint(scenario.kinds):
            book = GuestBook(self.random, scenario.deadline)
            book.admitted[store.seed(1)[0]] = {}
            self.books.append(book)
        else:
            return None
        return self.books[-1]

    async def _follow(
        self, caller: int, number: int, call: Call, book: GuestBook | JobBook
    ) -> None:
        outcome = await self.system(call)
        self.trials.append(Trial(caller, number, call, outcome, ""))
        book.record(call, outcome)

    async def complete(self) -> None:
        """Repeat what failed of admissions and jobs, as a caller does after an outage."""
        await asyncio.gather(*(self._repeat(caller) for caller in range(len(self.books))))

    async def _repeat(self, caller: int) -> None:
        book, first = self.books[caller], REPEATS + 10_000 * caller
        for number, call in enumerate(book.repeats(first), first):
            await self._follow(caller, number, call, book)

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
