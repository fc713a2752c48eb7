"""One scenario on one system: start both, call, and judge."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import aiohttp

from benchmarks.faults.calls import CHANGES, EVERYTHING, RESOURCE, Call, Kind, key_of, person, plan
from benchmarks.faults.disturbances import DISTURBANCES, PAIRS, Pair, pair
from benchmarks.faults.grpc_caller import GrpcCaller
from benchmarks.faults.history import Done, Told, check
from benchmarks.faults.lateness import Lateness
from benchmarks.faults.row import Row, quantile
from benchmarks.faults.scenarios import Scenario, fault_of
from benchmarks.faults.surroundings import Sink, expired_tls, sink
from benchmarks.faults.systems import System, Usage, started
from benchmarks.faults.verdicts import (
    NOTHING,
    OK,
    TOLERANCE,
    Outcome,
    Verdict,
    judge,
    secrets_in,
)
from gateway.emulator import DEVELOPMENT_KEY, Emulator, Fault
from gateway.emulator.fault_presets import SECOND_KEY
from gateway.emulator.identifiers import new_communication_user

SECRETS = (DEVELOPMENT_KEY, SECOND_KEY, "Signature=", RESOURCE, "5550100987")
PEOPLE = 5
"""On the roster of a room that is listed: three pages."""
WARM_UP = 200
"""Calls without a fault, for the latency to compare with."""
SETTLE = 3.0
"""Seconds that a system has to let go of what its calls held."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One call and how it went, in the order of asking."""

    number: int
    call: Call
    outcome: Outcome
    roster: str
    """Who was on the roster when the room was made."""


@dataclass(slots=True)
class Cell:
    """What one scenario needs while it runs."""

    scenario: Scenario
    system: System | Pair
    emulator: Emulator
    random: Random
    trials: list[Trial] = field(default_factory=list)

    async def call_all(self, steps: Iterator[tuple[int, Kind]], callers: int) -> None:
        """Make the calls of a plan, so many at once."""
        await asyncio.gather(*(self._caller(steps) for _ in range(callers)))

    async def _caller(self, steps: Iterator[tuple[int, Kind]]) -> None:
        [chain] = self.emulator.store.seed(1)
        added: list[str] = []
        for number, drawn in steps:
            kind = Kind.ADD if drawn is Kind.REMOVE and not added else drawn
            call, roster = self._call(number, kind, chain, added)
            outcome = await self.system(call)
            self.trials.append(Trial(number, call, outcome, roster))
            if kind is Kind.ADD and outcome.code == OK:
                added.append(call.person)

    def _call(self, number: int, kind: Kind, chain: str, added: list[str]) -> tuple[Call, str]:
        who, room, roster, store = "", "", "", self.emulator.store
        if kind in {Kind.CREATE, Kind.ADD}:
            who = person(number)
        if kind is Kind.REMOVE:
            who = added.pop()
        if kind in CHANGES:
            room = chain
        elif kind is Kind.LIST_ROOMS:
            roster = " ".join(
                room.id for page in _room_pages(store) for room in page
            )
        elif kind is not Kind.CREATE:
            [room] = store.seed(1)
            if kind is Kind.LIST:
                people = [new_communication_user(self.random) for _ in range(PEOPLE)]
                store.change_roster(room, dict.fromkeys(people, "Attendee"))
                roster = " ".join(people)
        cancel = self.scenario.cancel and self.random.uniform(0.001, self.scenario.cancel)
        scenario = self.scenario
        call = Call(kind, room, who, scenario.deadline, scenario.pause, cancel)
        return call, roster


def _room_pages(store: object) -> Iterator[list[object]]:
    page = store.rooms_page()  # type: ignore[attr-defined]
    yield page.items
    while page.next is not None:
        page = store.rooms_page(page.next)  # type: ignore[attr-defined]
        yield page.items


@asynccontextmanager
async def _where(
    scenario: Scenario, emulator: Emulator
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Give the endpoint that the system is told, and its environment."""
    if scenario.special == "dns":
        yield "http://nobody-has-this-name.invalid:8125", {}
    elif scenario.special == "tls":
        async with expired_tls() as found:
            yield found
    else:
        yield emulator.endpoint, {}


async def run(scenario: Scenario, name: str, *, seed: int, scale: float = 1.0) -> Row:
    """Run a scenario on a system."""
    begun = time.monotonic()
    count = max(round(scenario.trials * scale), min(scenario.trials, 24))
    random = Random(f"{seed} {scenario.name}")  # noqa: S311 - repeatable on purpose
    emulator = Emulator(
        random=random,
        fault_seed=random.getrandbits(32),
        journal_length=None,
        participants_page_size=2,
    )
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(emulator)
        lateness = await parts.enter_async_context(Lateness())
        elsewhere = await parts.enter_async_context(sink())
        endpoint, env = await parts.enter_async_context(_where(scenario, emulator))
        start = pair if scenario.special in PAIRS else started
        system: System | Pair = await parts.enter_async_context(start(name, endpoint, env=env))
        if isinstance(system.caller, GrpcCaller):
            system.caller.lateness = lateness
        warm = Cell(_plain(scenario), system, emulator, Random(seed))  # noqa: S311 - as above
        reachable = scenario.special not in {"dns", "tls"}
        if reachable:
            # As many connections as there are callers, so that none counts as left over later.
            emulator.faults.replace([Fault(latency=0.1, count=None)])
            reads = ((2_000_000 + n, Kind.GET) for n in range(2 * scenario.callers))
            await warm.call_all(reads, scenario.callers)
            emulator.faults.clear()
            warm.trials.clear()
            kinds = tuple(kind for kind in scenario.kinds if kind not in {Kind.LIST_ROOMS, Kind.REFUSED})
            steps = plan(seed, kinds or EVERYTHING, min(WARM_UP, count))
            # Numbers of their own, so that people differ from those of the trials.
            await warm.call_all(((n + 1_000_000, k) for n, k in steps), scenario.callers)
        emulator.store.clear()
        emulator.journal.clear()
        emulator.store.seed(scenario.rooms)
        cell = Cell(scenario, system, emulator, random)
        before = await system.usage()
        fault = fault_of(scenario, elsewhere.port)
        if fault is not None:
            emulator.faults.replace([fault])
        steps = plan(seed, scenario.kinds, count)
        disturb = DISTURBANCES.get(scenario.special)
        if disturb is None:
            await cell.call_all(steps, scenario.callers)
        else:
            enough = asyncio.Event()
            steps = _until(enough, seed, scenario, count)
            calls = cell.call_all(steps, scenario.callers)
            await disturb(system, emulator, calls, enough.set)
        row = _judge(cell, Row(scenario.name, name, outage=scenario.outage))
        row.strict = scenario.special == "rolling"
        usual = [trial.outcome.seconds for trial in warm.trials]
        taken = [trial.outcome.seconds for trial in cell.trials]
        if reachable:
            row.added_p50 = 1000 * (quantile(taken, 0.5) - quantile(usual, 0.5))
            row.added_p99 = 1000 * (quantile(taken, 0.99) - quantile(usual, 0.99))
        emulator.faults.clear()
        if scenario.special not in PAIRS:
            await _count_leftovers(row, system, before)
        await _search(row, cell, elsewhere)
    row.seconds = time.monotonic() - begun
    return row


def _until(
    enough: asyncio.Event, seed: int, scenario: Scenario, count: int
) -> Iterator[tuple[int, Kind]]:
    """Draw calls as planned, and on until there is enough."""
    for number, kind in plan(seed, scenario.kinds, 1_000_000):
        if number >= count and enough.is_set():
            return
        yield number, kind


def _plain(scenario: Scenario) -> Scenario:
    return Scenario(name="none", what="nothing", callers=scenario.callers)


def _judge(cell: Cell, row: Row) -> Row:
    scenario = cell.scenario
    requests: dict[str, int] = defaultdict(int)
    struck: set[str] = set()
    done = []
    for entry in cell.emulator.journal:
        key = key_of(entry.operation, entry.target, entry.body)
        requests[key] += 1
        if entry.strike is not None:
            struck.add(key)
        if entry.effect is not None:
            done.append((entry.effect.number, Done(key, entry.effect.room)))
    for trial in cell.trials:
        call, outcome = trial.call, trial.outcome
        hurt = scenario.spreads or call.key in struck
        row.trials += 1
        row.struck += call.key in struck
        verdict = judge(
            _checked(trial),
            scenario.right if hurt else NOTHING,
            requests=requests[call.key],
            needed=(PEOPLE + 1) // 2 if call.kind is Kind.LIST else 1,
            details=cell.system.details and scenario.special not in PAIRS,
        )
        row.verdicts[verdict] += 1
        told = " ".join(filter(None, (outcome.code, outcome.reason)))
        row.codes[told] = row.codes.get(told, 0) + 1
        late = outcome.overdue > TOLERANCE
        row.overdue += late
        if late or verdict in {Verdict.WRONG, Verdict.UNTYPED}:
            row.note(
                f"{call.kind} {outcome.code} {outcome.reason} {outcome.seconds:.3f} s, "
                f"{outcome.overdue:.3f} s over, {requests[call.key]} requests: {outcome.text}"
            )
    if scenario.special not in {"dns", "tls"}:
        told = [
            Told(
                trial.call.key,
                trial.outcome.value if trial.call.kind is Kind.CREATE else trial.call.room,
                trial.call.kind is Kind.CREATE,
                trial.outcome.code == OK,
            )
            for trial in cell.trials
            if trial.call.kind in {Kind.CREATE, Kind.ADD, Kind.REMOVE}
        ]
        findings = check(told, [effect for _, effect in sorted(done, key=lambda d: d[0])], _final(cell))
        row.duplicates, row.lost = len(findings.duplicated), len(findings.lost)
        for key in (*findings.duplicated, *findings.lost):
            row.note(f"history: {key}")
    row.requests_per_call = sum(requests.values()) / max(1, row.trials)
    return row


def _checked(trial: Trial) -> Outcome:
    """Make a success with another answer than the one expected a failure."""
    call, outcome = trial.call, trial.outcome
    if outcome.code != OK or call.kind is Kind.CREATE:
        return outcome
    expected = trial.roster if call.kind in {Kind.LIST, Kind.LIST_ROOMS} else call.room
    return outcome if outcome.value == expected else Outcome("ANOTHER_ANSWER", text=outcome.value)


def _final(cell: Cell) -> dict[str, list[str]]:
    """Return what can be seen at the end, as keys of calls."""
    store = cell.emulator.store
    final: dict[str, list[str]] = {}
    for page in _room_pages(store):
        for room in page:
            room_id = room.id  # type: ignore[attr-defined]
            there = {who.raw_id for who in store.people(room_id)}
            final[room_id] = [f"+ {who} {room_id}" for who in there]
    present = {room: frozenset(keys) for room, keys in final.items()}
    removed = {t.call.person for t in cell.trials if t.call.kind is Kind.REMOVE}
    for trial in cell.trials:
        call = trial.call
        if call.room not in final:
            continue
        there = f"+ {call.person} {call.room}" in present[call.room]
        # Whoever was to be removed may be there or not; it is the removal that tells.
        if (call.kind is Kind.REMOVE and not there) or (
            call.kind is Kind.ADD and call.person in removed
        ):
            final[call.room].append(call.key)
    return final


async def _count_leftovers(row: Row, system: System | Pair, before: Usage) -> None:
    ends = time.monotonic() + SETTLE
    while True:
        now = await system.usage()
        row.tasks, row.fds = max(0, now.tasks - before.tasks), max(0, now.fds - before.fds)
        row.rss = now.rss - before.rss
        if (not row.tasks and not row.fds) or time.monotonic() > ends:
            return
        await asyncio.sleep(0.1)


async def _search(row: Row, cell: Cell, elsewhere: Sink) -> None:
    """Look for secrets in all that can be read by others."""
    texts = [*cell.system.outputs, *(trial.outcome.text for trial in cell.trials)]
    if cell.system.admin:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"{cell.system.admin}/metrics") as answer:
                    texts.append(await answer.text())
            except aiohttp.ClientError:
                row.note("no metrics")
    for text in texts:
        found = secrets_in(text, SECRETS)
        row.secrets += bool(found)
        if found:
            row.note(f"secret in: {text}")
    row.secrets += elsewhere.signed
    if elsewhere.signed:
        row.note(f"{elsewhere.signed} signed requests went to another origin")
