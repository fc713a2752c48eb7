"""The checker of admissions: compares the results with the requests at the upstream.

A pure function of the results and the emulator's journal, which it replays. The rules: an access
token is requested only for a participant; no call repeats a change that took effect, unless the
response was lost; each user that was created is in a result; results are those of the guests; and
guests with an access token are on the roster at the end.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from benchmarks.faults.admissions.wire import trace_of
from benchmarks.faults.calls import ROOM, Call
from benchmarks.faults.verdicts import OK, Outcome
from rooms_emulator import JournalEntry

_CREATED = 201


class Violation(StrEnum):
    """Kind of violation."""

    NO_PARTICIPANT = "access token without a participant"
    REPEATED = "repeated change"
    UNREPORTED = "user without a result"
    MISMATCH = "result of another guest"
    LOST = "lost participant"


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation."""

    trace: str
    """Trace id of the call."""
    violation: Violation
    text: str


def check(
    admissions: Sequence[tuple[Call, Outcome]],
    journal: Iterable[JournalEntry],
    final: Mapping[str, Mapping[str, str]],
) -> list[Finding]:
    """Return the violations of all admissions, which `journal` has from the first one on.

    All rooms are empty before. One caller changes a room, with one call at a time. `final` has the
    roles at the end, by room and raw id.
    """
    replay = _Replay({call.trace: call.request_id for call, _ in admissions})
    for entry in journal:
        replay.step(entry)
    findings = replay.findings
    for call, outcome in admissions:
        new = [index for index, guest in enumerate(call.guests) if not guest.raw_id]
        results = outcome.results
        reported = sum(index < len(results) and bool(results[index].raw_id) for index in new)
        created = replay.created[call.trace]
        if created > len(new):
            text = f"{created} users for {len(new)} guests"
            findings.append(Finding(call.trace, Violation.REPEATED, text))
        if created > reported:
            text = f"{created} users created, {reported} reported"
            findings.append(Finding(call.trace, Violation.UNREPORTED, text))
        if outcome.code == OK and not _matches(call, outcome):
            findings.append(Finding(call.trace, Violation.MISMATCH, f"{call} {outcome}"))
        for guest, result in zip(call.guests, results, strict=False):
            role = final.get(outcome.value, {}).get(result.raw_id)
            if result.token_of and role != guest.role:
                text = f"{result.raw_id} has the role {role}, not {guest.role}"
                findings.append(Finding(call.trace, Violation.LOST, text))
    return findings


def _matches(call: Call, outcome: Outcome) -> bool:
    """Return whether the results are those of the guests, and the tokens those of the users."""
    return len(call.guests) == len(outcome.results) and all(
        guest.raw_id in {"", result.raw_id}
        and result.token_of in {"", result.raw_id}
        and bool(result.token_of) != bool(result.code)
        and (not result.token_of or result.role == guest.role)
        for guest, result in zip(call.guests, outcome.results, strict=True)
    )


class _Replay:
    """State of all rosters, at one request after the other."""

    def __init__(self, request_ids: Mapping[str, str]) -> None:
        self._request_ids = request_ids
        """Idempotency keys of the calls, by trace."""
        self.findings: list[Finding] = []
        self.created: Counter[str] = Counter()
        """Users whose creation was confirmed, by trace."""
        self._rosters: dict[str, dict[str, str]] = defaultdict(dict)
        self._rooms: dict[str, str] = {}
        """Room of each trace."""
        self._made: dict[str, str] = {}
        """Room of each idempotency key, or trace of a call without one."""
        self._unconfirmed: set[tuple[str, bytes]] = set()
        """Trace and body of the changes whose response was lost."""

    def step(self, entry: JournalEntry) -> None:
        """Replay one request."""
        trace = trace_of(entry.headers)
        found = ROOM.search(entry.target)
        if found is not None:
            self._rooms[trace] = found[1]
        match entry.operation:
            case "CreateRoom" if entry.effect is not None:
                self._create_room(trace, entry, entry.effect.room)
            case "CreateIdentity":
                self._create_user(trace, entry)
            case "UpdateParticipants" if entry.effect is not None:
                self._change_roster(trace, entry, entry.effect.room)
            case "IssueAccessToken":
                raw_id = unquote(entry.target.split("/")[2])
                if raw_id not in self._rosters[self._rooms.get(trace, "")]:
                    self._report(trace, Violation.NO_PARTICIPANT, raw_id)

    def _create_room(self, trace: str, entry: JournalEntry, room: str) -> None:
        self._rooms[trace] = room
        key = self._request_ids.get(trace) or trace
        if self._made.setdefault(key, room) != room:
            self._report(trace, Violation.REPEATED, f"room {room}")
        participants: dict[str, Any] = json.loads(entry.body or b"{}").get("participants") or {}
        self._rosters[room] = {raw_id: each["role"] for raw_id, each in participants.items()}

    def _create_user(self, trace: str, entry: JournalEntry) -> None:
        if entry.status == _CREATED and not entry.faulty:
            self.created[trace] += 1
        if json.loads(entry.body or b"{}").get("createTokenWithScopes"):
            self._report(trace, Violation.NO_PARTICIPANT, "issued with the user")

    def _change_roster(self, trace: str, entry: JournalEntry, room: str) -> None:
        roster = self._rosters[room]
        for raw_id, properties in json.loads(entry.body)["participants"].items():
            role = properties["role"]
            if roster.get(raw_id) == role and (trace, entry.body) not in self._unconfirmed:
                self._report(trace, Violation.REPEATED, f"{raw_id} has the role {role}")
            roster[raw_id] = role
        if entry.faulty:
            self._unconfirmed.add((trace, entry.body))

    def _report(self, trace: str, violation: Violation, text: str) -> None:
        self.findings.append(Finding(trace, violation, text))
