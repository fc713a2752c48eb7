"""Judging a cell: false acknowledgements, leaked secrets, and requests per list."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from benchmarks.faults.calls import WRITES, Call, Kind, plan
from benchmarks.faults.cell import run
from benchmarks.faults.judging import SECRETS, judge_all, quota_used, search
from benchmarks.faults.row import Row
from benchmarks.faults.scenario import Scenario
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.surroundings import Sink
from benchmarks.faults.trials import Cell
from benchmarks.faults.verdicts import OK, Outcome, Verdict
from rooms_emulator import Emulator, JournalEntry
from rooms_emulator.quotas.model import Quota
from rooms_emulator.timestamps import TICKS_PER_SECOND

SEED = 7
CALLS = 20


@dataclass
class FalseSystem:
    """System that acknowledges every call and does nothing."""

    outputs: list[str] = field(default_factory=list)
    details: bool = False
    admin: str = ""

    async def __call__(self, call: Call) -> Outcome:
        return Outcome(OK, value=call.room or "99400000000000001")


def cell_of(system: Any, kind: Kind) -> Cell:
    scenario = Scenario(name="none", what="nothing", kinds=(kind,))
    return Cell(scenario, system, Emulator(random=Random(SEED)), Random(SEED))


@pytest.mark.parametrize("kind", WRITES)
async def test_acknowledged_but_not_done_is_lost(kind: Kind) -> None:
    cell = cell_of(FalseSystem(), kind)
    await cell.call_all(plan(SEED, (kind,), CALLS), 2)
    assert judge_all(cell, Row("none", "system")).lost == CALLS


async def test_a_secret_across_two_reads_is_found() -> None:
    row = Row("none", "system")
    half = len(SECRETS[0]) // 2
    system = FalseSystem(
        [f"a line\nkey={SECRETS[0][:half]}", f"{SECRETS[0][half:]}\nanother line\n"]
    )
    await search(row, cell_of(system, Kind.GET), Sink())
    assert row.secrets == 1


@pytest.mark.parametrize(
    ("quota", "accepted", "seconds", "share"),
    [
        ("CreateRoom=100/1s", 300, 2, 1),
        ("CreateRoom=100/1s", 300, 4, 0.5),
        ("CreateRoom=100/10s,window", 300, 20, 1),
        ("CreateRoom=100/10s,window", 301, 40, 0.75),
        ("CreateRoom=100/1s", 100, 4, 0),
        ("CreateRoom=100/1s", 0, 4, 0),
    ],
)
def test_used_share_of_a_quota(quota: str, accepted: int, seconds: int, share: float) -> None:
    """The shortest time in which it accepts as many requests, divided by the actual time."""
    ats = [round(index * seconds * TICKS_PER_SECOND / (accepted - 1)) for index in range(accepted)]
    journal = [JournalEntry(at, "POST", "/rooms", {}, b"", "CreateRoom") for at in ats]
    rejected = JournalEntry(10**9, "POST", "/rooms", {}, b"", "CreateRoom", quota=quota)
    assert quota_used(Quota.parse(quota), [*journal, rejected]) == pytest.approx(share)


async def test_calls_at_a_rate_do_not_wait() -> None:
    """Each has a caller of its own, so that none waits for the end of another one."""
    released = asyncio.Event()

    class Slow(FalseSystem):
        waiting = 0

        async def __call__(self, call: Call) -> Outcome:
            self.waiting += 1
            if self.waiting == CALLS:
                released.set()
            await released.wait()
            return await FalseSystem.__call__(self, call)

    cell = cell_of(Slow(), Kind.CREATE)
    await cell.call_at(plan(SEED, (Kind.CREATE,), CALLS), 1000)
    assert sorted(trial.caller for trial in cell.trials) == list(range(CALLS))


async def test_a_list_without_retries_is_right_at_once() -> None:
    """It takes one request per page."""
    scenario = replace(BY_NAME["slow-reader"], rooms=70, pause=0.0, trials=6)
    row = await run(scenario, "gateway", seed=SEED)
    assert row.verdicts[Verdict.FIRST] == row.trials > 0
