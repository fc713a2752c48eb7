"""Judgement of the calls of one scenario on one system."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

import aiohttp

from benchmarks.faults.calls import RESOURCE, WRITES, Call, Kind, key_of
from benchmarks.faults.disturbances import PAIRS
from benchmarks.faults.history import Change, Done, check
from benchmarks.faults.row import Row
from benchmarks.faults.surroundings import Sink
from benchmarks.faults.trials import PARTICIPANTS, Cell, Trial, room_pages
from benchmarks.faults.verdicts import (
    NOTHING,
    OK,
    TOLERANCE,
    Admitted,
    Outcome,
    Verdict,
    judge,
    secrets_in,
)
from rooms_emulator import DEVELOPMENT_KEY, JournalEntry
from rooms_emulator.faults.presets import SECOND_KEY
from rooms_emulator.quotas.model import Quota
from rooms_emulator.rooms.store import RECORDS_PER_PAGE

_JWT = "eyJhbGciOiJIUzI1NiIs"
SECRETS = (DEVELOPMENT_KEY, SECOND_KEY, "Signature=", RESOURCE, "5550100987", _JWT)


def judge_all(cell: Cell, row: Row) -> Row:
    """Judge every trial, and the history of all."""
    scenario = cell.scenario
    requests: dict[str, int] = defaultdict(int)
    struck: set[str] = set()
    done = []
    for entry in cell.emulator.journal:
        key = key_of(entry.operation, entry.target, entry.body)
        requests[key] += 1
        if (entry.quota if scenario.quota else entry.fault) is not None:
            struck.add(key)
        if entry.effect is not None:
            done.append((entry.effect.number, Done(key, entry.effect.room)))
    # Requests do not identify their list of rooms, so each list gets an equal share.
    lists = sum(trial.call.kind is Kind.LIST_ROOMS for trial in cell.trials)
    share = -(-requests[Call(Kind.LIST_ROOMS).key] // max(1, lists))
    for trial in cell.trials:
        call = trial.call
        hurt = scenario.spreads or call.key in struck
        made = share if call.kind is Kind.LIST_ROOMS else requests[call.key]
        verdict = judge(
            _checked(trial),
            scenario.right if hurt else NOTHING,
            requests=made,
            needed=_needed(trial),
            details=cell.system.details and scenario.special not in PAIRS,
        )
        count(row, trial, verdict, made, struck=call.key in struck)
    if scenario.special not in {"dns", "tls"}:
        changes = [
            Change(
                trial.call.key,
                trial.outcome.value if trial.call.kind is Kind.CREATE else trial.call.room,
                trial.call.kind is Kind.CREATE,
                trial.outcome.code == OK,
            )
            for trial in cell.trials
            if trial.call.kind in WRITES
        ]
        findings = check(
            changes, [effect for _, effect in sorted(done, key=lambda d: d[0])], _final(cell)
        )
        row.duplicates, row.lost = len(findings.duplicated), len(findings.lost)
        for key in (*findings.duplicated, *findings.lost):
            row.note(f"history: {key}")
    row.requests_per_call = sum(requests.values()) / max(1, row.trials)
    row.slowest = _slowest(cell.trials)
    if scenario.quota:
        row.quota_used = quota_used(Quota.parse(scenario.quota), cell.emulator.journal)
    return row


def count(row: Row, trial: Trial, verdict: Verdict, requests: int, *, struck: bool) -> None:
    """Count a trial with its verdict in `row`, and note it if it is incorrect."""
    outcome = trial.outcome
    row.trials += 1
    row.struck += struck
    row.verdicts[verdict] += 1
    failed = [result for result in outcome.results if result.code]
    codes: list[Outcome | Admitted] = [outcome, *failed]
    for each in codes:
        words = f"{each.code} {each.reason}".strip()
        row.codes[words] = row.codes.get(words, 0) + 1
    late = outcome.overdue > TOLERANCE
    row.overdue += late
    if late or verdict in {Verdict.WRONG, Verdict.UNTYPED}:
        row.note(
            f"{trial.call.kind} {outcome.code} {outcome.reason} {outcome.seconds:.3f} s, "
            f"{outcome.overdue:.3f} s over, {requests} requests: {outcome.text}"
        )


def _slowest(trials: list[Trial]) -> float:
    """Return the mean time of the calls of the slowest caller, divided by that of all calls."""
    taken: dict[int, list[float]] = defaultdict(list)
    for trial in trials:
        taken[trial.caller].append(trial.outcome.seconds)
    mean = statistics.fmean(trial.outcome.seconds for trial in trials)
    return max(map(statistics.fmean, taken.values())) / mean if mean else 0.0


def quota_used(quota: Quota, journal: Iterable[JournalEntry]) -> float:
    """Return the shortest time in which `quota` accepts as many requests, over the actual one."""
    entries = list(journal)
    accepted = [entry.at for entry in entries if entry.quota is None]
    if len(accepted) <= quota.count:
        shortest = 0
    elif quota.window:
        shortest = (len(accepted) - 1) // quota.count * quota.period
    else:
        shortest = (len(accepted) - quota.count) * quota.period // quota.count
    return shortest / max(1, accepted[-1] - entries[0].at) if accepted else 0.0


def _needed(trial: Trial) -> int:
    """Return the number of requests that the call takes without a fault."""
    if trial.call.kind is Kind.LIST:
        return (PARTICIPANTS + 1) // 2
    if trial.call.kind is Kind.LIST_ROOMS:
        return -(-len(trial.roster.split()) // RECORDS_PER_PAGE)
    return 1


def _checked(trial: Trial) -> Outcome:
    """Return the outcome; a success with an unexpected response becomes a failure."""
    call, outcome = trial.call, trial.outcome
    if outcome.code != OK or call.kind is Kind.CREATE:
        return outcome
    expected = trial.roster if call.kind in {Kind.LIST, Kind.LIST_ROOMS} else call.room
    return outcome if outcome.value == expected else Outcome("OTHER_RESPONSE", text=outcome.value)


def _final(cell: Cell) -> dict[str, list[str]]:
    """Return the keys of the calls whose effect is visible at the end, by room."""
    store = cell.emulator.store
    final: dict[str, list[str]] = {}
    for page in room_pages(store):
        for room in page:
            room_id = room.id
            roster = {each.raw_id for each in store.roster(room_id)}
            final[room_id] = [f"+ {raw_id} {room_id}" for raw_id in roster]
            # An update sets dial-out, and its key is the id of the room. A delete has the same
            # key, but a room that still exists shows no delete.
            final[room_id] += [room_id] if room.pstn_dial_out_enabled else []
    present = {room: frozenset(keys) for room, keys in final.items()}
    removed = {t.call.raw_id for t in cell.trials if t.call.kind is Kind.REMOVE}
    for trial in cell.trials:
        call = trial.call
        if call.room not in final:
            continue
        still = f"+ {call.raw_id} {call.room}" in present[call.room]
        # If a participant was added and removed, only the removal shows in the roster.
        if (call.kind is Kind.REMOVE and not still) or (
            call.kind is Kind.ADD and call.raw_id in removed
        ):
            final[call.room].append(call.key)
    return final


async def search(row: Row, cell: Cell, elsewhere: Sink) -> None:
    """Search outputs, errors and metrics for secrets."""
    # Joined first: a read may end within a word.
    lines = "".join(cell.system.outputs).splitlines()
    results = [each for trial in cell.trials for each in trial.outcome.results]
    texts = [*lines, *(trial.outcome.text for trial in cell.trials)]
    texts += [each.text for each in results]
    if cell.system.admin:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"{cell.system.admin}/metrics") as response:
                    texts.append(await response.text())
            except aiohttp.ClientError:
                row.note("no metrics")
    resources = {each.raw_id.partition("_")[0] for each in results if each.raw_id}
    for text in texts:
        found = secrets_in(text, (*SECRETS, *resources))
        row.secrets += bool(found)
        if found:
            row.note(f"secret in: {text}")
    row.secrets += elsewhere.signed
    if elsewhere.signed:
        row.note(f"{elsewhere.signed} signed requests went to another origin")
