"""Judgement of admissions, each of which sends several REST requests."""

from __future__ import annotations

from collections import Counter, defaultdict

from benchmarks.faults.admissions.history import Finding, Violation, check
from benchmarks.faults.admissions.wire import trace_of
from benchmarks.faults.judging import count
from benchmarks.faults.row import Row
from benchmarks.faults.trials import Cell, Trial, room_pages
from benchmarks.faults.verdicts import NOTHING, OK, Outcome, Right, Verdict, judge
from rooms_emulator.rooms.store import Store


def judge_admissions(cell: Cell, row: Row) -> Row:
    """Judge every admission by its results, and by all its requests."""
    scenario = cell.scenario
    requests: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    for entry in cell.emulator.journal:
        trace = trace_of(entry.headers)
        requests[trace] += 1
        struck[trace] += (entry.quota if scenario.quota else entry.fault) is not None
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in check(
        [(trial.call, trial.outcome) for trial in cell.trials],
        cell.emulator.journal,
        rosters(cell.emulator.store),
    ):
        findings[finding.trace].append(finding)
    for trial in cell.trials:
        trace = trial.call.trace
        violated = findings[trace]
        right = scenario.right if scenario.spreads or struck[trace] else NOTHING
        verdict = judge_results(trial, right, struck[trace], details=cell.system.details)
        verdict = Verdict.WRONG if violated else verdict
        count(row, trial, verdict, requests[trace], struck=struck[trace] > 0)
        for violation in violated:
            row.note(f"{violation.violation}: {violation.text}")
        row.guests += len(trial.call.guests)
    row.requests_per_call = requests.total() / max(1, row.trials)
    kinds = Counter(finding.violation for found in findings.values() for finding in found)
    row.false_tokens, row.unreported = kinds[Violation.NO_PARTICIPANT], kinds[Violation.UNREPORTED]
    row.duplicates, row.lost = kinds[Violation.REPEATED], kinds[Violation.LOST]
    return row


def judge_results(trial: Trial, right: Right, struck: int, *, details: bool) -> Verdict:
    """Return the verdict on the results; that of the worst one if some have errors.

    Each of the `struck` requests had to be repeated.
    """
    outcome = trial.outcome
    outcomes = [outcome]
    if outcome.code == OK:
        failed = [each for each in outcome.results if not each.token_of]
        outcomes = [Outcome(each.code, each.reason) for each in failed] or outcomes
    verdicts = [judge(each, right, requests=struck, needed=0, details=details) for each in outcomes]
    return max(verdicts, key=list(Verdict).index)


def rosters(store: Store) -> dict[str, dict[str, str]]:
    """Return the roles on all rosters, by room and raw id."""
    return {
        room.id: {each.raw_id: each.role for each in store.roster(room.id)}
        for page in room_pages(store)
        for room in page
    }
