"""Judgement of bulk jobs, syncs and lists with rosters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.faults.admissions.judging import judge_results, rosters
from benchmarks.faults.admissions.wire import trace_of
from benchmarks.faults.calls import BULK, Kind, key_of
from benchmarks.faults.history import Change, Done
from benchmarks.faults.history import check as check_items
from benchmarks.faults.jobs.history import Violation
from benchmarks.faults.jobs.history import check as check_syncs
from benchmarks.faults.jobs.job_book import FIRST
from benchmarks.faults.jobs.roster_lists import line
from benchmarks.faults.judging import count
from benchmarks.faults.row import Row
from benchmarks.faults.trials import REPEATS, Cell, Trial, room_pages
from benchmarks.faults.verdicts import NOTHING, OK, Verdict
from rooms_emulator import JournalEntry
from rooms_emulator.quotas.model import Quota
from rooms_emulator.rooms.store import Store
from rooms_emulator.timestamps import TICKS_PER_SECOND


def judge_jobs(cell: Cell, row: Row) -> Row:
    """Judge every call by its result, and all by the journal and the store."""
    scenario, journal = cell.scenario, list(cell.emulator.journal)
    requests: Counter[tuple[str, str]] = Counter()
    struck: Counter[tuple[str, str]] = Counter()
    for entry in journal:
        requests[_caller(entry)] += 1
        struck[_caller(entry)] += (entry.quota if scenario.quota else entry.fault) is not None
    violated = _violated(cell, row, journal)
    for trial in cell.trials:
        call = trial.call
        caller = (call.trace, call.key if call.kind in BULK else "")
        hurt = trial.number < REPEATS and (scenario.spreads or struck[caller])
        # A bulk item is one request; the others depend on the rosters.
        more = requests[caller] - 1 if call.kind in BULK else struck[caller]
        right = scenario.right if hurt else NOTHING
        verdict = judge_results(trial, right, more, details=cell.system.details)
        if {call.trace, call.key} & violated or _differs(trial, cell.emulator.store):
            verdict = Verdict.WRONG
        count(row, trial, verdict, requests[caller], struck=struck[caller] > 0)
    row.requests_per_call = len(journal) / max(1, row.trials)
    if scenario.quota:
        sent = [entry for entry in journal if trace_of(entry.headers) == FIRST]
        row.quota_used = quota_used(Quota.parse(scenario.quota), sent)
    return row


def quota_used(quota: Quota, journal: Sequence[JournalEntry]) -> float | None:
    """Return the share of `quota` that was used from one second after the first rejection on.

    None if that was never.
    """
    accepted = [entry.at for entry in journal if entry.quota is None]
    start = next(
        (entry.at + TICKS_PER_SECOND for entry in journal if entry.quota is not None), None
    )
    if start is None or not accepted or accepted[-1] <= start:
        return None
    allowed = quota.count * (accepted[-1] - start) / quota.period
    return sum(at > start for at in accepted) / allowed


def _caller(entry: JournalEntry) -> tuple[str, str]:
    """Return the trace of a request, and the key of its item, if it is one of a bulk job."""
    bulk = entry.operation in {"CreateRoom", "DeleteRoom"}
    key = key_of(entry.operation, entry.target, entry.body) if bulk else ""
    return trace_of(entry.headers), key


def _violated(cell: Cell, row: Row, journal: Sequence[JournalEntry]) -> set[str]:
    """Count the violations of the histories; return their keys and traces."""
    items = [trial for trial in cell.trials if trial.call.kind in BULK]
    changes = [
        Change(
            trial.call.key,
            trial.outcome.value if trial.call.kind is Kind.BULK_CREATE else trial.call.room,
            trial.call.kind is Kind.BULK_CREATE,
            trial.outcome.code == OK,
        )
        for trial in items
    ]
    done = sorted(
        (entry.effect.number, _caller(entry)[1], entry.effect.room)
        for entry in journal
        if entry.effect is not None
    )
    store = cell.emulator.store
    final: dict[str, list[str]] = {room: [] for room in rosters(store)}
    found = check_items(changes, [Done(key, room) for _, key, room in done], final)
    syncs = [(t.call, t.outcome) for t in cell.trials if t.call.kind is Kind.SYNC]
    findings = check_syncs(syncs, journal, rosters(store))
    kinds = Counter(finding.violation for finding in findings)
    row.duplicates = len(found.duplicated) + kinds[Violation.REPEATED]
    row.lost = len(found.lost) + kinds[Violation.LOST]
    row.halves = kinds[Violation.HALF]
    for key in (*found.duplicated, *found.lost):
        row.note(f"history: {key}")
    for finding in findings:
        row.note(f"{finding.violation}: {finding.text}")
    return {*found.duplicated, *found.lost, *(finding.trace for finding in findings)}


def _differs(trial: Trial, store: Store) -> bool:
    """Return whether a list that succeeded has other rooms or rosters than the store."""
    outcome = trial.outcome
    if trial.call.kind is not Kind.LIST_ROSTERS or outcome.code != OK:
        return False
    failed = {result.raw_id for result in outcome.results}
    expected = "\n".join(
        line(room.id, (each.raw_id for each in store.roster(room.id)))
        for page in room_pages(store)
        for room in page
        if room.pstn_dial_out_enabled and room.id not in failed
    )
    return outcome.value != expected
