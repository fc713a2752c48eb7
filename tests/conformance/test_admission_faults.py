"""Admissions under random faults: tokens belong to participants, and nothing is done twice."""

from __future__ import annotations

import asyncio
from random import Random

import grpc
import pytest
from msgspec import structs
from support.fast_gateway import quick_gateway
from support.gateways import upstream_of

from benchmarks.faults.admissions.guest_book import GuestBook
from benchmarks.faults.admissions.history import check
from benchmarks.faults.admissions.judging import rosters
from benchmarks.faults.calls import Call, Kind
from benchmarks.faults.grpc_caller import GrpcCaller
from benchmarks.faults.verdicts import OK, Admitted, Outcome
from rooms_emulator import Emulator, Fault

CALLERS = 4
CALLS = 12
"""Calls of each caller."""

SHARE = 1 / 8
"""Probability of each fault, for each request, and of a call that creates a room."""

FAULTS = (
    Fault(drop="before"),
    Fault(drop="after"),
    Fault(status=503),
    Fault(status=403),
    Fault(status=404, body="<html>", headers={"x-ms-error-code": ""}),
    Fault(truncate=3),
    Fault(body="{}"),
)
OPERATIONS = (
    "CreateIdentity",
    "CreateRoom",
    "GetRoom",
    "ListParticipants",
    "UpdateParticipants",
    "IssueAccessToken",
)


@pytest.mark.parametrize("seed", range(6))
async def test_tokens_belong_to_participants(seed: int) -> None:
    """No fault, at any step, leads to another token, or to a user that no result has.

    What failed can be repeated, and that repeats nothing that was done.
    """
    admissions: list[tuple[Call, Outcome]] = []
    async with (
        Emulator(random=Random(seed), fault_seed=seed, journal_length=None) as emulator,
        quick_gateway(upstream_of(emulator), max_attempts=2) as quick,
        grpc.aio.insecure_channel(quick.address) as channel,
    ):
        gateway = GrpcCaller(channel)
        random = Random(seed)

        async def admit(call: Call, book: GuestBook) -> Outcome:
            outcome = await gateway(call)
            admissions.append((call, outcome))
            book.record(call, outcome)
            return outcome

        async def run(caller: int, book: GuestBook) -> None:
            draws = Random(f"{seed} {caller}")
            for number in range(caller * CALLS, (caller + 1) * CALLS):
                kind = Kind.CREATE_WITH_GUESTS if draws.random() < SHARE else Kind.ADMIT
                await admit(book.draw(kind, number), book)

        books = [GuestBook(Random(f"{seed} {caller}"), 60.0) for caller in range(CALLERS)]
        for book, room in zip(books, emulator.store.seed(CALLERS), strict=True):
            book.admitted[room] = {}
        for operation in OPERATIONS:
            fault = random.choice(FAULTS)
            emulator.faults.add(
                structs.replace(fault, operation=operation, probability=SHARE, count=None)
            )
        await asyncio.gather(*(run(caller, book) for caller, book in enumerate(books)))
        failed: list[Outcome | Admitted] = [outcome for _, outcome in admissions]
        failed += [result for _, outcome in admissions for result in outcome.results]
        reasons = {each.reason for each in failed if each.code not in {"", OK}}
        assert reasons
        assert all(reason.startswith("ERROR_REASON_UPSTREAM_") for reason in reasons)
        emulator.faults.clear()
        for caller, book in enumerate(books):
            for call in book.repeats(1000 * (caller + 1)):
                outcome = await admit(call, book)
                assert all(result.token_of for result in outcome.results)
            assert not book.failed
        assert check(admissions, emulator.journal, rosters(emulator.store)) == []
        for _, outcome in admissions:
            for result in outcome.results:
                assert not result.raw_id or result.raw_id not in result.text
