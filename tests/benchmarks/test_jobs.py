"""The checker of bulk jobs and syncs finds every violation, and the gateway has none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent
from benchmarks.faults.calls import BULK, Call, Guest, Kind, plan
from benchmarks.faults.cell import run
from benchmarks.faults.jobs.history import Violation, check
from benchmarks.faults.jobs.job_book import AGAIN, FIRST, JobBook
from benchmarks.faults.jobs.judging import judge_jobs, quota_used
from benchmarks.faults.jobs.roster_lists import prepare
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.trials import Cell
from benchmarks.faults.verdicts import OK, Outcome, Verdict
from rooms_emulator import Emulator, Fault, JournalEntry
from rooms_emulator.faults.rules import InjectedFault
from rooms_emulator.quotas.model import Quota
from rooms_emulator.rooms.records import Effect
from rooms_emulator.timestamps import TICKS_PER_SECOND

SEED = 7
SMALL = 0.1
TRACE = f"{1:032x}"
ROOM = "99400000000000001"
ALICE, BOB = "8:acs:resource_alice", "8:acs:resource_bob"
DROPPED = InjectedFault(1, Fault(drop="after"), 0.0, None)


def changed(roles: Mapping[str, str | None], trace: str = TRACE, **more: Any) -> JournalEntry:
    values = {raw_id: role and {"role": role} for raw_id, role in roles.items()}
    return JournalEntry(
        *(0, "PATCH", f"/rooms/{ROOM}/participants", {TRACEPARENT: traceparent(trace)}),
        json.dumps({"participants": values}).encode(),
        "UpdateParticipants",
        **{"effect": Effect(1, ROOM), **more},
    )


def sync(*raw_ids: str, trace: str = TRACE) -> Call:
    guests = tuple(Guest(raw_id, "Attendee") for raw_id in raw_ids)
    return Call(Kind.SYNC, ROOM, guests=guests, trace=trace)


A, B, NO_A = {ALICE: "Attendee"}, {BOB: "Attendee"}, {ALICE: None}
FAILED = "UNAVAILABLE"
AGAIN_SENT, HALF, LOST = Violation.REPEATED, Violation.HALF, Violation.LOST


@pytest.mark.parametrize(
    ("journal", "code", "final", "expected"),
    [
        ([changed(A | B)], OK, A | B, []),
        ([changed(A | B, effect=None)], FAILED, {}, []),
        ([changed(A | B, effect=None)], OK, {}, [LOST]),
        ([changed(A | B)], FAILED, A | B, []),
        ([changed(A)], FAILED, A, [HALF]),
        ([changed(A)], OK, A, [LOST]),
        ([changed(A), changed(B)], OK, A | B, []),
        ([changed(A), changed(A | B)], OK, A | B, [AGAIN_SENT]),
        ([changed(A | B, fault=DROPPED), changed(A | B)], OK, A | B, []),
        ([changed(A, fault=DROPPED), changed(A | B)], OK, A | B, [AGAIN_SENT]),
        ([changed(NO_A), changed(A | B)], OK, A | B, [AGAIN_SENT]),
        ([changed(A | B), changed(NO_A)], OK, B, [LOST]),
        ([changed(A | B)], OK, A, [LOST]),
    ],
)
def test_each_rule_of_syncs(
    journal: Sequence[JournalEntry], code: str, final: dict[str, str], expected: list[Violation]
) -> None:
    found = check([(sync(ALICE, BOB), Outcome(code))], journal, {ROOM: final})
    assert [finding.violation for finding in found] == expected
    assert {finding.trace for finding in found} <= {TRACE}


def test_a_repeated_sync_sends_only_what_is_left() -> None:
    """A role that an earlier sync sent, even if its response was lost, is a repeated one."""
    calls = [(sync(ALICE, trace="1"), Outcome(FAILED)), (sync(ALICE, trace="2"), Outcome(OK))]
    journal = [changed(A, "1", fault=DROPPED)]
    assert check(calls, journal, {ROOM: A}) == []
    [found] = check(calls, [*journal, changed(A, "2")], {ROOM: A})
    assert (found.violation, found.trace) == (AGAIN_SENT, "2")


def book() -> JobBook:
    rooms = iter(range(100))
    return JobBook(Random(SEED), 1.0, lambda: str(next(rooms)))


def test_a_failed_sync_is_repeated_next() -> None:
    own = book()
    first = own.draw(Kind.SYNC, 1)
    own.record(first, Outcome(FAILED))
    second = own.draw(Kind.SYNC, 2)
    assert (second.room, second.guests) == (first.room, first.guests)
    assert second.trace != first.trace
    own.record(second, Outcome(OK))
    assert list(own.repeats(3)) == []
    assert own.draw(Kind.SYNC, 3).room == first.room


def test_failed_items_are_repeated_at_the_end() -> None:
    """Each with its key, in a job that is sent again."""
    own = book()
    calls = [own.draw(kind, number) for number, kind in enumerate((*BULK, *BULK))]
    for call, code in zip(calls, (FAILED, FAILED, OK, OK), strict=True):
        own.record(call, Outcome(code))
    repeats = list(own.repeats(10))
    assert [call.key for call in repeats] == [call.key for call in calls[:2]]
    assert {call.trace for call in calls} == {FIRST}
    assert {call.trace for call in repeats} == {AGAIN}


class FalseSystem:
    """System that acknowledges every item and does nothing."""

    details = True

    async def __call__(self, call: Call) -> Outcome:
        await asyncio.sleep(0)
        return Outcome(OK, value=call.room or ROOM)


@pytest.mark.parametrize("name", ["bulk", "sync"])
async def test_acknowledged_calls_without_effect(name: str) -> None:
    scenario = BY_NAME[name]
    system: Any = FalseSystem()
    cell = Cell(scenario, system, Emulator(random=Random(SEED)), Random(SEED))
    await cell.call_all(plan(SEED, scenario.kinds, 10), 2)
    row = judge_jobs(cell, Row(name, "system"))
    assert row.lost > 0
    assert row.verdicts[Verdict.WRONG] > 0


async def test_a_list_without_the_rooms_is_wrong() -> None:
    scenario = BY_NAME["list-with-rosters"]
    system: Any = FalseSystem()
    emulator = Emulator(random=Random(SEED))
    prepare(emulator.store, 2)
    cell = Cell(scenario, system, emulator, Random(SEED))
    await cell.call_all(plan(SEED, scenario.kinds, 3), 1)
    row = judge_jobs(cell, Row(scenario.name, "system"))
    assert row.verdicts[Verdict.WRONG] == 3


def test_the_share_of_a_quota_counts_late() -> None:
    """From one second after the first rejection on."""
    quota = Quota.parse("CreateRoom=10/1s")
    times = [*range(10), *(TICKS_PER_SECOND * tenth // 10 for tenth in range(16, 37, 2))]
    entries = [JournalEntry(at, "POST", "/rooms", {}, b"", "CreateRoom") for at in times]
    assert quota_used(quota, entries) is None
    rejected = JournalEntry(11, "POST", "/rooms", {}, b"", "CreateRoom", quota=quota.text)
    entries.insert(10, rejected)
    # Five per second, and the last one ends the time.
    assert quota_used(quota, entries) == pytest.approx(11 / 26, rel=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        *("bulk-lost", "bulk-sigkill", "sync-lost-read", "sync-lost-write", "sync-refused-write"),
        "list-with-rosters",
    ],
)
async def test_the_gateway_meets_its_targets(name: str) -> None:
    row = await run(BY_NAME[name], "gateway", seed=SEED, scale=SMALL)
    assert row.struck > 0
    assert row.succeeded > 0
    assert row.missed() == []


async def test_creates_without_their_id_are_counted() -> None:
    """Microsoft's client has no way to set it, so a job that is sent again creates more rooms."""
    row = await run(BY_NAME["bulk-lost"], "sdk", seed=SEED, scale=SMALL, settle=0)
    assert row.duplicates > 0
