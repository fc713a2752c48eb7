"""One scenario on one system: start both, make the calls, judge the outcomes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from benchmarks.faults.admissions.judging import judge_admissions
from benchmarks.faults.calls import ADMISSIONS, EVERYTHING, JOBS, Call, Kind, plan
from benchmarks.faults.disturbances import DISTURBANCES, PAIRS, Pair, pair
from benchmarks.faults.grpc_caller import GrpcCaller
from benchmarks.faults.jobs.judging import judge_jobs
from benchmarks.faults.jobs.roster_lists import prepare
from benchmarks.faults.judging import judge_all, search
from benchmarks.faults.lateness import Lateness
from benchmarks.faults.row import Row, quantile
from benchmarks.faults.scenario import Scenario, faults_of
from benchmarks.faults.surroundings import expired_tls, sink
from benchmarks.faults.systems import System, Usage, started
from benchmarks.faults.trials import Cell
from rooms_emulator import Emulator, Fault

WARM_UP = 200
"""Number of calls without a fault, the baseline of the latency."""
QUIET = 2.0
"""Time between the calls without a quota and those with one, in seconds."""
SETTLE = 8.0
"""Timeout until a system has released its resources, in seconds; a DNS lookup takes up to 5."""


@asynccontextmanager
async def _where(
    scenario: Scenario, emulator: Emulator
) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Yield the endpoint of the upstream, and the environment of the system."""
    if scenario.special == "dns":
        yield "https://unknown-host.invalid", {}
    elif scenario.special == "tls":
        async with expired_tls() as found:
            yield found
    else:
        yield emulator.endpoint, {}


async def run(
    scenario: Scenario, name: str, *, seed: int, scale: float = 1.0, settle: float = SETTLE
) -> Row:
    """Run a scenario on a system; wait up to `settle` seconds for leftover resources."""
    begun = time.monotonic()
    count = max(round(scenario.trials * scale), min(scenario.trials, 24))
    random = Random(f"{seed} {scenario.name}")
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
        reachable = scenario.special not in {"dns", "tls"}
        warm = Cell(_plain(scenario), system, emulator, Random(seed))
        if reachable:
            await _warm_up(warm, seed, min(WARM_UP, count))
        else:
            # Opens the connection to the system itself.
            await system(Call(Kind.GET, "1", deadline=scenario.deadline))
        emulator.store.clear()
        emulator.journal.clear()
        prepare(emulator.store, scenario.rooms)
        if scenario.quota:
            # The pacer learns from the second before the first rejection, too.
            await asyncio.sleep(QUIET)
        cell = Cell(scenario, system, emulator, random)
        before = await system.usage()
        emulator.faults.replace(faults_of(scenario, elsewhere.port))
        emulator.quotas.replace([scenario.quota] if scenario.quota else [])
        await _make_calls(cell, seed, count)
        if cell.books:
            emulator.faults.clear()
            emulator.quotas.replace([])
            await cell.complete()
        row = Row(scenario.name, name, outage=scenario.outage, goal=scenario.goal)
        row = _judgement(scenario)(cell, row)
        row.strict = scenario.special == "rolling"
        usual = [trial.outcome.seconds for trial in warm.trials]
        taken = [trial.outcome.seconds for trial in cell.trials]
        if reachable:
            row.added_p50 = 1000 * (quantile(taken, 0.5) - quantile(usual, 0.5))
            row.added_p99 = 1000 * (quantile(taken, 0.99) - quantile(usual, 0.99))
        emulator.faults.clear()
        if scenario.special not in PAIRS:
            await _count_leftovers(row, system, before, settle)
        await search(row, cell, elsewhere)
    row.seconds = time.monotonic() - begun
    return row


def _judgement(scenario: Scenario) -> Callable[[Cell, Row], Row]:
    if not set(JOBS).isdisjoint(scenario.kinds):
        return judge_jobs
    return judge_all if set(ADMISSIONS).isdisjoint(scenario.kinds) else judge_admissions


async def _warm_up(cell: Cell, seed: int, count: int) -> None:
    """Make calls without a fault, and keep their trials in `cell`."""
    # Opens all connections of the callers, so that none counts as left over later.
    callers = cell.scenario.callers
    connections = callers * cell.scenario.width
    # Long enough that the call of the last caller arrives before the first response is sent.
    cell.emulator.faults.replace([Fault(latency=0.1 + connections / 400, count=connections)])
    # The gateway has separate concurrency limits for unary calls and for streams.
    kinds = (Kind.GET, Kind.LIST)
    opening = ((2_000_000 + n, kinds[n % 2]) for n in range(connections))
    await cell.call_all(opening, connections)
    cell.emulator.faults.clear()
    cell.trials.clear()
    # Other numbers than in the trials, so that the participants differ too.
    steps = plan(seed, cell.scenario.kinds, count)
    await cell.call_all(((n + 1_000_000, kind) for n, kind in steps), callers)


async def _make_calls(cell: Cell, seed: int, count: int) -> None:
    """Make the calls of the trials, and disturb them."""
    scenario = cell.scenario
    steps = plan(seed, scenario.kinds, count)
    disturb = DISTURBANCES.get(scenario.special)
    if scenario.rate:
        await cell.call_at(steps, scenario.rate)
    elif disturb is None:
        await cell.call_all(steps, scenario.callers)
    else:
        enough = asyncio.Event()
        steps = _until(enough, seed, scenario, count)
        calls = cell.call_all(steps, scenario.callers)
        await disturb(cell.system, cell.emulator, calls, enough.set)


def _until(
    enough: asyncio.Event, seed: int, scenario: Scenario, count: int
) -> Iterator[tuple[int, Kind]]:
    """Draw calls as planned, then further ones until `enough` is set."""
    for number, kind in plan(seed, scenario.kinds, 1_000_000):
        if number >= count and enough.is_set():
            return
        yield number, kind


def _plain(scenario: Scenario) -> Scenario:
    others = {Kind.LIST_ROOMS, Kind.LIST_ROSTERS, Kind.REJECTED}
    kinds = tuple(kind for kind in scenario.kinds if kind not in others) or EVERYTHING
    return Scenario(
        name="none", what="nothing", callers=scenario.callers, width=scenario.width, kinds=kinds
    )


async def _count_leftovers(row: Row, system: System | Pair, before: Usage, settle: float) -> None:
    ends = time.monotonic() + settle
    while True:
        now = await system.usage()
        row.tasks, row.fds = max(0, now.tasks - before.tasks), max(0, now.fds - before.fds)
        row.rss = now.rss - before.rss
        if (not row.tasks and not row.fds) or time.monotonic() > ends:
            return
        await asyncio.sleep(0.1)
