"""Judging a cell: false acknowledgements, leaked secrets, and requests per list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from benchmarks.faults.calls import WRITES, Call, Kind, plan
from benchmarks.faults.cell import run
from benchmarks.faults.judging import SECRETS, judge_all, search
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME, Scenario
from benchmarks.faults.surroundings import Sink
from benchmarks.faults.trials import Cell
from benchmarks.faults.verdicts import OK, Outcome, Verdict
from rooms_emulator import Emulator

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


async def test_a_list_without_retries_is_right_at_once() -> None:
    """It takes one request per page."""
    scenario = replace(BY_NAME["slow-reader"], rooms=70, pause=0.0, trials=6)
    row = await run(scenario, "gateway", seed=SEED)
    assert row.verdicts[Verdict.FIRST] == row.trials > 0
