"""The checker of admissions finds every violation, and the gateway has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from benchmarks.faults.admissions.guest_book import GuestBook
from benchmarks.faults.admissions.history import Violation, check
from benchmarks.faults.admissions.judging import judge_admissions
from benchmarks.faults.admissions.wire import TRACEPARENT, trace_of, traceparent
from benchmarks.faults.calls import ADMISSIONS, Call, Guest, Kind, plan
from benchmarks.faults.cell import run
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.trials import Cell
from benchmarks.faults.verdicts import OK, Admitted, Outcome, Verdict
from rooms_emulator import Emulator, Fault, JournalEntry
from rooms_emulator.faults.rules import InjectedFault
from rooms_emulator.rooms.records import Effect

SEED = 7
SMALL = 0.08
TRACE = f"{1:032x}"
ROOM = "99400000000000001"
ALICE, BOB = "8:acs:resource_alice", "8:acs:resource_bob"
DROPPED = InjectedFault(1, Fault(drop="after"), 0.0, None)


def entry(method: str, target: str, operation: str, body: object = None, **more: Any) -> Any:
    headers = {TRACEPARENT: traceparent(more.pop("trace", TRACE))}
    content = b"" if body is None else json.dumps(body).encode()
    return JournalEntry(0, method, target, headers, content, operation, **more)


def created(**more: Any) -> Any:
    return entry("POST", "/identities", "CreateIdentity", more.pop("body", {}), status=201, **more)


def changed(*raw_ids: str, role: str = "Attendee", **more: Any) -> Any:
    body = {"participants": {raw_id: {"role": role} for raw_id in raw_ids}}
    target = f"/rooms/{ROOM}/participants"
    effect = more.pop("effect", Effect(1, ROOM))
    return entry("PATCH", target, "UpdateParticipants", body, effect=effect, **more)


def issued(raw_id: str) -> Any:
    return entry("POST", f"/identities/{raw_id}/:issueAccessToken", "IssueAccessToken")


def room_created(room: str = ROOM, trace: str = TRACE) -> Any:
    body = {"participants": {BOB: {"role": "Attendee"}}}
    effect = Effect(1, room)
    return entry("POST", "/rooms", "CreateRoom", body, effect=effect, trace=trace)


NEW, KNOWN = Guest("", "Attendee"), Guest(BOB, "Attendee")
ADMITTED, KNOWN_ADMITTED = Admitted(ALICE, "Attendee", ALICE), Admitted(BOB, "Attendee", BOB)
FAILED, KNOWN_FAILED = Admitted(ALICE, code="INTERNAL"), Admitted(BOB, code="INTERNAL")
USUAL = (created(), changed(ALICE), issued(ALICE))
WITH_TOKEN = created(body={"createTokenWithScopes": ["voip"]})
AGAIN, NAMELESS = Violation.REPEATED, Violation.UNREPORTED
EARLY, OTHER, LOST = Violation.NO_PARTICIPANT, Violation.MISMATCH, Violation.LOST


@pytest.mark.parametrize(
    ("journal", "guest", "result", "expected"),
    [
        (USUAL, NEW, ADMITTED, []),
        ([created(), changed(ALICE, effect=None)], NEW, FAILED, []),
        ([created(), issued(ALICE), changed(ALICE)], NEW, ADMITTED, [EARLY]),
        ([created(), changed(ALICE, effect=None), issued(ALICE)], NEW, FAILED, [EARLY]),
        ([WITH_TOKEN, changed(ALICE)], NEW, ADMITTED, [EARLY]),
        ([changed(BOB), changed(BOB), issued(BOB)], KNOWN, KNOWN_ADMITTED, [AGAIN]),
        ([changed(BOB, fault=DROPPED), changed(BOB)], KNOWN, KNOWN_ADMITTED, []),
        ([changed(BOB, role="Presenter"), changed(BOB)], KNOWN, KNOWN_FAILED, []),
        ([room_created(), issued(BOB)], KNOWN, KNOWN_ADMITTED, []),
        ([room_created(), room_created()], KNOWN, KNOWN_FAILED, []),
        ([room_created(), room_created("2")], KNOWN, KNOWN_FAILED, [AGAIN]),
        ([room_created(), changed(BOB)], KNOWN, KNOWN_FAILED, [AGAIN]),
        ([created(), *USUAL], NEW, ADMITTED, [AGAIN, NAMELESS]),
        ([created(fault=DROPPED), *USUAL], NEW, ADMITTED, []),
        ([created()], NEW, Admitted("", code="INTERNAL"), [NAMELESS]),
        (USUAL, NEW, replace(ADMITTED, token_of=BOB), [OTHER]),
        (USUAL, NEW, replace(ADMITTED, token_of=""), [OTHER]),
        (USUAL, KNOWN, ADMITTED, [AGAIN, NAMELESS, OTHER]),
        (USUAL, Guest("", "Presenter"), ADMITTED, [OTHER, LOST]),
        (USUAL, Guest("", "Presenter"), replace(ADMITTED, role="Presenter"), [LOST]),
    ],
)
def test_each_rule(
    journal: Sequence[JournalEntry], guest: Guest, result: Admitted, expected: list[Violation]
) -> None:
    call = Call(Kind.ADMIT, ROOM, guests=(guest,), trace=TRACE)
    outcome = Outcome(OK, value=ROOM, results=(result,))
    final = {ROOM: {ALICE: "Attendee", BOB: "Attendee"}}
    found = check([(call, outcome)], journal, final)
    assert [finding.violation for finding in found] == expected
    assert {finding.trace for finding in found} <= {TRACE}


def test_a_token_without_a_roster_entry_is_lost() -> None:
    call = Call(Kind.ADMIT, ROOM, guests=(NEW,), trace=TRACE)
    [found] = check([(call, Outcome(OK, value=ROOM, results=(ADMITTED,)))], USUAL, {ROOM: {}})
    assert found.violation is Violation.LOST


@pytest.mark.parametrize(("request_id", "repeated"), [("one", True), ("another", False)])
def test_a_request_id_has_one_room(*, request_id: str, repeated: bool) -> None:
    calls = [
        Call(Kind.CREATE_WITH_GUESTS, request_id="one", trace="1"),
        Call(Kind.CREATE_WITH_GUESTS, request_id=request_id, trace="2"),
    ]
    journal = [room_created("1", "1"), room_created("2", "2")]
    found = check([(call, Outcome("UNAVAILABLE")) for call in calls], journal, {})
    assert [(each.violation, each.trace) for each in found] == [(AGAIN, "2")] * repeated


def test_a_failed_call_reports_no_user() -> None:
    call = Call(Kind.ADMIT, ROOM, guests=(NEW,), trace=TRACE)
    [found] = check([(call, Outcome("UNAVAILABLE"))], [created()], {})
    assert found.violation is Violation.UNREPORTED


def test_requests_without_a_trace_have_none() -> None:
    assert trace_of({}) == ""
    assert trace_of({TRACEPARENT: traceparent(TRACE)}) == TRACE


def test_failed_guests_are_repeated() -> None:
    """By raw id and with their role, in the next call; without raw id there is none to repeat."""
    book = GuestBook(Random(SEED), 1.0)
    book.admitted[ROOM] = {}
    call = Call(Kind.ADMIT, ROOM, guests=(Guest("", "Consumer"), NEW, NEW))
    results = (replace(FAILED, role="Consumer"), Admitted(BOB, "Attendee", BOB), Admitted(""))
    book.record(call, Outcome(OK, value=ROOM, results=results))
    assert book.draw(Kind.ADMIT, 1).guests[0] == Guest(ALICE, "Consumer")
    [repeat] = book.repeats(2)
    assert (repeat.room, repeat.guests) == (ROOM, (Guest(ALICE, "Consumer"),))
    book.record(repeat, Outcome(OK, value=ROOM, results=(Admitted(ALICE, "Consumer", ALICE),)))
    assert list(book.repeats(3)) == []
    assert book.admitted == {ROOM: {ALICE: "Consumer", BOB: "Attendee"}}


def test_a_failed_create_keeps_its_request_id() -> None:
    book = GuestBook(Random(SEED), 1.0)
    book.admitted[ROOM] = {}
    first = book.draw(Kind.CREATE_WITH_GUESTS, 1)
    book.record(first, Outcome("UNAVAILABLE"))
    second = book.draw(Kind.CREATE_WITH_GUESTS, 2)
    assert second == replace(first, trace=second.trace)
    assert second.trace != first.trace
    book.record(second, Outcome(OK, value="2"))
    assert book.draw(Kind.CREATE_WITH_GUESTS, 3).request_id != first.request_id


class FalseSystem:
    """System that returns an access token to every guest and does nothing."""

    details = True

    async def __call__(self, call: Call) -> Outcome:
        results = (Admitted(each.raw_id or ALICE, each.role) for each in call.guests)
        return Outcome(
            OK, value=ROOM, results=tuple(replace(each, token_of=each.raw_id) for each in results)
        )


async def test_admissions_without_effect_are_lost() -> None:
    system: Any = FalseSystem()
    cell = Cell(BY_NAME["admissions"], system, Emulator(random=Random(SEED)), Random(SEED))
    await cell.call_all(plan(SEED, ADMISSIONS, 10), 2)
    row = judge_admissions(cell, Row("admissions", "system"))
    assert row.lost == row.guests > 0
    assert row.verdicts[Verdict.WRONG] == row.trials == 10


@pytest.mark.parametrize("name", ["lost-room", "lost-roster", "refused-roster", "failed-tokens"])
async def test_the_gateway_meets_its_targets(name: str) -> None:
    row = await run(BY_NAME[name], "gateway", seed=SEED, scale=SMALL)
    assert row.struck > 0
    assert row.succeeded > 0
    assert row.missed() == []


async def test_an_exception_leaves_users_unreported() -> None:
    """A program without a gateway raises it, and the users are in no result."""
    row = await run(BY_NAME["refused-roster"], "sdk", seed=SEED, scale=SMALL, settle=0)
    assert row.unreported > 0
    assert row.verdicts[Verdict.WRONG] > 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"false_tokens": 1}, "1 access tokens without a participant"),
        ({"unreported": 2}, "2 calls with unreported users"),
    ],
)
def test_missed_targets_are_reported(changes: dict[str, int], text: str) -> None:
    assert Row("admissions", "gateway", **changes).missed() == [text]  # type: ignore[arg-type]
