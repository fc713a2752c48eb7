"""Guests of one caller: each call repeats the guests that failed in earlier ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from uuid import UUID

from benchmarks.faults.calls import Call, Guest, Kind
from benchmarks.faults.verdicts import OK, Outcome

ROLES = ("Attendee", "Presenter", "Consumer")


class GuestBook:
    """Draws calls, and keeps the results of all guests, by room and raw id, with their roles.

    `deadline` is that of each call, in seconds.
    """

    def __init__(self, random: Random, deadline: float) -> None:
        self._random = random
        self._deadline = deadline
        self.admitted: dict[str, dict[str, str]] = {}
        """Guests with an access token."""
        self.failed: dict[str, dict[str, str]] = {}
        """Users without one. They may be on the roster."""
        self._failed_create: Call | None = None

    def draw(self, kind: Kind, number: int) -> Call:
        """Draw the guests of a call; `number` must be unique."""
        if kind is Kind.CREATE_WITH_GUESTS:
            return self._create(number)
        room = next(iter(self.failed), "") or self._random.choice(list(self.admitted))
        guests = [*_guests(self.failed.get(room, {})), *self._known(room), *self._new()]
        return self._call(Kind.ADMIT, number, room, tuple(guests))

    def repeats(self, number: int) -> Iterator[Call]:
        """Return calls that repeat what failed, and nothing else; they count from `number`."""
        if self._failed_create is not None:
            yield self._create(number)
            number += 1
        for room, users in list(self.failed.items()):
            yield self._call(Kind.ADMIT, number, room, tuple(_guests(users)))
            number += 1

    def record(self, call: Call, outcome: Outcome) -> None:
        """Keep the results of a call."""
        create = call.kind is Kind.CREATE_WITH_GUESTS
        if outcome.code != OK:
            self._failed_create = call if create else self._failed_create
            return
        self._failed_create = None if create else self._failed_create
        room = outcome.value
        admitted = self.admitted.setdefault(room, {})
        failed = self.failed.pop(room, {})
        for guest, result in zip(call.guests, outcome.results, strict=False):
            if result.raw_id:
                admitted.pop(result.raw_id, None)
                failed.pop(result.raw_id, None)
                (admitted if result.token_of else failed)[result.raw_id] = guest.role
        if failed:
            self.failed[room] = failed

    def _create(self, number: int) -> Call:
        if self._failed_create is not None:
            # The idempotency key is that of the call that failed.
            return replace(self._failed_create, trace=_trace(number))
        room = self._random.choice(list(self.admitted))
        known = [replace(guest, keep=False) for guest in self._known(room)]
        call = self._call(Kind.CREATE_WITH_GUESTS, number, "", (*known, *self._new()))
        return replace(call, request_id=str(UUID(int=self._random.getrandbits(128), version=4)))

    def _call(self, kind: Kind, number: int, room: str, guests: tuple[Guest, ...]) -> Call:
        return Call(kind, room, deadline=self._deadline, guests=guests, trace=_trace(number))

    def _known(self, room: str) -> list[Guest]:
        known = self.admitted.get(room, {})
        chosen = self._random.sample(list(known), min(len(known), self._random.randrange(3)))
        return [Guest(each, known[each], keep=self._random.random() < 0.5) for each in chosen]

    def _new(self) -> list[Guest]:
        return [Guest("", self._random.choice(ROLES)) for _ in range(self._random.randint(1, 3))]


def _guests(users: Mapping[str, str]) -> Iterator[Guest]:
    return (Guest(raw_id, role) for raw_id, role in users.items())


def _trace(number: int) -> str:
    # All zeros are no trace id.
    return f"{number + 1:032x}"
