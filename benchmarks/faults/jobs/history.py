"""The checker of syncs: replays the changes of all rosters in the emulator's journal.

A pure function of the results and the journal. The rules: a sync that succeeded leaves exactly its
list; one that failed leaves its list or the roster of before; no role is sent that the participant
has, unless the response was lost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.faults.admissions.wire import trace_of
from benchmarks.faults.calls import ROOM, Call
from benchmarks.faults.verdicts import OK, Outcome
from rooms_emulator import JournalEntry

Roster = dict[str, str]
"""Roles by raw id."""


class Violation(StrEnum):
    """Kind of violation."""

    REPEATED = "repeated role"
    HALF = "sync that took effect in part"
    LOST = "other roster than the list"


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation."""

    trace: str
    """Trace id of the sync."""
    violation: Violation
    text: str


def check(
    syncs: Sequence[tuple[Call, Outcome]],
    journal: Iterable[JournalEntry],
    final: Mapping[str, Roster],
) -> list[Finding]:
    """Return the violations of all syncs, which `journal` has from the first one on.

    All rooms are empty before. One caller changes a room, with one sync at a time, in the order of
    `syncs`. `final` has the rosters at the end, by room.
    """
    findings, after = _replay(journal)
    rosters: dict[str, Roster] = defaultdict(dict)
    for call, outcome in syncs:
        wanted = {guest.raw_id: guest.role for guest in call.guests}
        before = rosters[call.room]
        left = rosters[call.room] = after.get(call.trace, before)
        if outcome.code == OK and left != wanted:
            findings.append(Finding(call.trace, Violation.LOST, f"{left}, not {wanted}"))
        if outcome.code != OK and left not in (before, wanted):
            findings.append(Finding(call.trace, Violation.HALF, f"{left} between the lists"))
    last = {call.room: call.trace for call, _ in syncs}
    for room, trace in last.items():
        if rosters[room] != final.get(room):
            findings.append(Finding(trace, Violation.LOST, f"{final.get(room)} at the end"))
    return findings


def _replay(journal: Iterable[JournalEntry]) -> tuple[list[Finding], dict[str, Roster]]:
    """Return the roles that were sent again, and the roster after each trace with a change."""
    findings: list[Finding] = []
    after: dict[str, Roster] = {}
    rosters: dict[str, Roster] = defaultdict(dict)
    unconfirmed: set[tuple[str, bytes]] = set()
    for entry in journal:
        room = ROOM.search(entry.target)
        if entry.operation != "UpdateParticipants" or entry.effect is None or room is None:
            continue
        trace, roster = trace_of(entry.headers), rosters[room[1]]
        for raw_id, properties in json.loads(entry.body)["participants"].items():
            role = None if properties is None else properties["role"]
            if roster.get(raw_id) == role and (trace, entry.body) not in unconfirmed:
                findings.append(Finding(trace, Violation.REPEATED, f"{raw_id} has {role}"))
            if role is None:
                roster.pop(raw_id, None)
            else:
                roster[raw_id] = role
        if entry.faulty:
            unconfirmed.add((trace, entry.body))
        after[trace] = dict(roster)
    return findings, after
