"""Admissions under random faults: tokens belong to participants, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from random import Random
from urllib.parse import unquote

import grpc
import pytest
from acs.rooms.v1 import join_pb2 as pb
from google.protobuf.empty_pb2 import Empty
from msgspec import structs
from support.fast_gateway import Quick, quick_gateway
from support.gateways import read_failure, upstream_of
from support.signed_requests import parts

from rooms_emulator import Emulator, Fault, JournalEntry

CALLERS = 4
CALLS = 12
"""Calls of each caller."""

SHARE = 1 / 8
"""Probability of each fault, for each request."""

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


class Caller:
    """Admits guests to a room, and sometimes to a new one, one call after the other."""

    def __init__(self, quick: Quick, room: str, random: Random) -> None:
        self.quick = quick
        self.random = random
        self.rooms = [room]
        self.known: list[str] = []
        """Users of earlier results, admitted or not."""
        self.created = 0
        """Users that calls created and returned."""
        self.tokens: set[tuple[str, str]] = set()
        """Room and raw id of each guest with a token."""
        self.failures: list[str] = []
        """Reasons of failed calls."""

    def guests(self) -> list[pb.Guest]:
        again = self.random.sample(self.known, min(len(self.known), self.random.randrange(3)))
        found = [pb.Guest(raw_id=raw_id) for raw_id in again]
        found += [pb.Guest(new_user=Empty()) for _ in range(self.random.randrange(1, 4))]
        for number, each in enumerate(found):
            each.role = self.random.randrange(5)  # type: ignore[assignment] # a value of the enum
            each.label = str(number)
        return found

    async def call(self) -> None:
        guests = self.guests()
        try:
            if self.random.random() < SHARE:
                create = pb.CreateRoomWithGuestsRequest(guests=guests)
                created = await self.quick.join.CreateRoomWithGuests(create)
                room, results = created.room.id, created.results
                self.rooms.append(room)
            else:
                room = self.random.choice(self.rooms)
                admit = pb.AdmitParticipantsRequest(room_id=room, guests=guests)
                results = (await self.quick.join.AdmitParticipants(admit)).results
        except grpc.aio.AioRpcError as error:
            self.failures.append(read_failure(error).reason)
            return
        assert [each.label for each in results] == [each.label for each in guests]
        for guest, each in zip(guests, results, strict=True):
            raw_id = each.participant.raw_id
            if raw_id and guest.HasField("new_user"):
                self.created += 1
                self.known.append(raw_id)
            if each.HasField("access_token"):
                assert f"8:{parts(each.access_token.token)[1]['skypeid']}" == raw_id
                self.tokens.add((room, raw_id))
            else:
                assert each.error.reason
                assert not raw_id or raw_id not in each.error.message


def replayed(journal: Iterable[JournalEntry]) -> set[tuple[str, str]]:
    """Return room and raw id of those on a roster when a token was issued to them.

    Fails if a role is sent again, unless the response to the same change was lost.
    """
    rosters: dict[str, dict[str, str]] = defaultdict(dict)
    lost: set[tuple[str, bytes]] = set()
    found = set()
    for entry in journal:
        if entry.operation == "UpdateParticipants" and entry.effect is not None:
            room, roster = entry.effect.room, rosters[entry.effect.room]
            for raw_id, properties in json.loads(entry.body)["participants"].items():
                assert roster.get(raw_id) != properties["role"] or (room, entry.body) in lost
                roster[raw_id] = properties["role"]
            if entry.faulty:
                lost.add((room, entry.body))
        if entry.operation == "IssueAccessToken":
            raw_id = unquote(entry.target.split("/")[2])
            found |= {(room, raw_id) for room, roster in rosters.items() if raw_id in roster}
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_tokens_belong_to_participants(seed: int) -> None:
    """No fault, at any step, leads to another token, or to a user that no result has."""
    async with (
        Emulator(random=Random(seed), fault_seed=seed, journal_length=None) as emulator,
        quick_gateway(upstream_of(emulator), max_attempts=2) as quick,
    ):
        random = Random(seed)
        rooms = emulator.store.seed(CALLERS)
        callers = [Caller(quick, room, Random(f"{seed} {room}")) for room in rooms]
        for operation in OPERATIONS:
            fault = random.choice(FAULTS)
            emulator.faults.add(
                structs.replace(fault, operation=operation, probability=SHARE, count=None)
            )

        async def run(caller: Caller) -> None:
            for _ in range(CALLS):
                await caller.call()

        await asyncio.gather(*map(run, callers))
        tokens = set().union(*(caller.tokens for caller in callers))
        assert tokens
        assert tokens <= replayed(emulator.journal)
        assert {
            (room, user) for room, user in tokens if user in on_roster(emulator, room)
        } == tokens
        reasons = {reason for caller in callers for reason in caller.failures}
        assert all(reason.startswith("ERROR_REASON_UPSTREAM_") for reason in reasons)
        created = [entry for entry in emulator.journal if entry.operation == "CreateIdentity"]
        unharmed = sum(not entry.faulty for entry in created)
        assert unharmed == sum(caller.created for caller in callers)


def on_roster(emulator: Emulator, room: str) -> set[str]:
    return {each.raw_id for each in emulator.store.roster(room)}
