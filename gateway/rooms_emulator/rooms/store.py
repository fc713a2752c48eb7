"""In-memory store of rooms and their rosters, the emulator's counterpart of a database.

It is independent of HTTP, JSON and api-versions. Its methods are synchronous, so each is atomic to
the requests of one event loop.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping
from random import Random

import msgspec

from rooms_emulator.clock import Clock
from rooms_emulator.identity.raw_ids import new_communication_user
from rooms_emulator.rooms.records import (
    DEFAULT_JOIN_POLICY,
    DEFAULT_ROLE,
    MAX_PARTICIPANTS,
    Effect,
    Page,
    Participant,
    Room,
    Roster,
)
from rooms_emulator.rooms.room_ids import new_room_id as random_room_id
from rooms_emulator.rooms.windows import Window, of_new_room
from rooms_emulator.state.changes import Changes
from rooms_emulator.timestamps import TICKS_PER_SECOND

RECORDS_PER_PAGE = 30
"""Number of records in a page of rooms, deleted ones included."""


class NoSuchRoomError(LookupError):
    """A room that does not exist or was deleted."""


class _Record(msgspec.Struct):
    """The state of one room; `sequence` numbers the rooms in the order of creation."""

    sequence: int
    room: Room
    roster: Roster


class RoomsState(msgspec.Struct):
    """The content of a store, or what changed in it, as it is saved."""

    records: list[_Record]
    deleted: list[int]
    """Sequences of deleted rooms, in the order of deletion."""
    next_sequence: int


class Store:
    """All rooms of one Communication Services resource.

    `clock` and `random` determine ids and creation times; `new_room_id` replaces the generator of
    ids. `participants_page_size` is the number of participants in a page, all by default.
    `retention` is the time after the end of its window at which a room is deleted, in seconds;
    None keeps all. Beyond `deleted_kept` deleted rooms the oldest no longer occupy records in
    pages, which bounds memory.
    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        *,
        new_room_id: Callable[[], str] | None = None,
        participants_page_size: int | None = None,
        retention: float | None = None,
        deleted_kept: int = 10_000,
    ) -> None:
        self._clock = clock
        self._random = random
        self._new_room_id = new_room_id or (lambda: random_room_id(random))
        self._participants_page_size = participants_page_size or MAX_PARTICIPANTS
        self._retention = None if retention is None else round(retention * TICKS_PER_SECOND)
        self._deleted_kept = deleted_kept
        self.changes: Changes[int, _Record] = Changes()
        """Changed rooms, by sequence."""
        self.clear()

    def clear(self) -> None:
        """Remove everything."""
        self._by_id: dict[str, _Record] = {}
        # Sequences of all records in pages, ascending. Those of deleted rooms are in no dict.
        self._sequences: list[int] = []
        self._by_sequence: dict[int, _Record] = {}
        self._deleted: deque[int] = deque()
        self._next_sequence = 0
        self._first_end: float = math.inf
        self.last_effect: Effect | None = None
        """The latest change since the last `clear`, if any."""
        self.changes.clear()

    def __len__(self) -> int:
        self._delete_expired()
        return len(self._by_id)

    def create(
        self,
        window: Window,
        roster: Mapping[str, str | None],
        *,
        pstn_dial_out_enabled: bool = False,
        join_policy: str | None = None,
    ) -> Room:
        """Add a room with its first participants, raw id to role, in this order.

        As in changes, None in place of a role adds no participant. Raises RosterFullError if there
        are too many participants.
        """
        first_roster = Roster().changed(roster)
        room_id = self._new_room_id()
        while room_id in self._by_id:
            room_id = self._new_room_id()
        room = Room(
            room_id,
            self._clock.now(),
            window.start,
            window.end,
            pstn_dial_out_enabled,
            join_policy or DEFAULT_JOIN_POLICY,
        )
        record = _Record(self._next_sequence, room, first_roster)
        self._next_sequence += 1
        self._by_id[room_id] = self._by_sequence[record.sequence] = record
        self._sequences.append(record.sequence)
        self._first_end = min(self._first_end, window.end)
        self._record_change(record)
        return room

    def get(self, room_id: str) -> Room:
        """Return a room. Raises NoSuchRoomError if it does not exist."""
        return self._find(room_id).room

    def update(
        self,
        room_id: str,
        window: Window | None,
        *,
        pstn_dial_out_enabled: bool | None = None,
        join_policy: str | None = None,
    ) -> Room:
        """Change the given properties of a room. Raises NoSuchRoomError if it does not exist."""
        record = self._find(room_id)
        old = record.room
        start, end = window or (old.valid_from, old.valid_until)
        pstn = old.pstn_dial_out_enabled if pstn_dial_out_enabled is None else pstn_dial_out_enabled
        policy = join_policy or old.join_policy
        record.room = Room(old.id, old.created_at, start, end, pstn, policy)
        self._first_end = min(self._first_end, end)
        self._record_change(record)
        return record.room

    def delete(self, room_id: str) -> None:
        """Delete a room; its record still counts in pages.

        Raises NoSuchRoomError if the room does not exist.
        """
        self._remove(self._find(room_id))
        self._record_effect(room_id)

    def rooms_page(self, before: int | None = None) -> Page[Room]:
        """Return a page of rooms, newest first: 30 records, without those of deleted rooms.

        `before` is the `next` of the previous page, or None for the first page. Rooms created
        between two pages belong before the first one, so none is skipped or repeated.
        """
        self._delete_expired()
        sequences = self._sequences
        end = len(sequences) if before is None else bisect_left(sequences, before)
        start = max(end - RECORDS_PER_PAGE, 0)
        live = self._by_sequence
        rooms = [live[s].room for s in reversed(sequences[start:end]) if s in live]
        return Page(rooms, sequences[start] if start else None)

    def change_roster(self, room_id: str, changes: Mapping[str, str | None]) -> None:
        """Add, change and remove participants as `Roster.changed` does, all or none.

        Raises NoSuchRoomError if the room does not exist, and RosterFullError if too many
        participants would be left.
        """
        record = self._find(room_id)
        record.roster = record.roster.changed(changes)
        self._record_change(record)

    def roster(self, room_id: str) -> list[Participant]:
        """Return all participants of a room, in the order of joining.

        Raises NoSuchRoomError if the room does not exist.
        """
        return list(self._find(room_id).roster.participants.values())

    def participants_page(self, room_id: str, start: int = 0) -> Page[Participant]:
        """Return a page of participants, in the order of joining.

        `start` is the `next` of the previous page. Raises NoSuchRoomError if the room does not
        exist.
        """
        return self._find(room_id).roster.page(start, self._participants_page_size)

    def seed(self, count: int, *, deleted: bool = False, participants: int = 0) -> list[str]:
        """Add `count` rooms with default windows and made-up attendees; return their ids.

        With `deleted`, the rooms are deleted at once, and only occupy records in pages. The ids
        are in the order of creation.
        """
        ids = []
        for _ in range(count):
            raw_ids = (new_communication_user(self._random) for _ in range(participants))
            window = of_new_room(None, None, self._clock.now())
            ids.append(self.create(window, dict.fromkeys(raw_ids, DEFAULT_ROLE)).id)
            if deleted:
                self.delete(ids[-1])
        return ids

    def state(self) -> RoomsState:
        """Return the content, for `apply`."""
        return self._state(list(self._by_sequence.values()), list(self._deleted))

    def changed_state(self) -> RoomsState:
        """Return what changed since the previous call, for `apply`."""
        taken = self.changes.take()
        return self._state(list(taken.saved.values()), taken.removed)

    def apply(self, state: RoomsState) -> None:
        """Add what another store contains, or what changed in it, without recording a change."""
        # Deleted rooms first: an id that one had may be another room's now.
        for sequence in state.deleted:
            gone = self._by_sequence.pop(sequence, None)
            if gone is None:
                insort(self._sequences, sequence)
            else:
                del self._by_id[gone.room.id]
            self._keep_deleted(sequence)
        for record in state.records:
            if record.sequence not in self._by_sequence:
                insort(self._sequences, record.sequence)
            self._by_id[record.room.id] = self._by_sequence[record.sequence] = record
        self._next_sequence = state.next_sequence
        self._first_end = -math.inf

    def _state(self, records: list[_Record], deleted: list[int]) -> RoomsState:
        return RoomsState(records, deleted, self._next_sequence)

    def _keep_deleted(self, sequence: int) -> None:
        self._deleted.append(sequence)
        if len(self._deleted) > self._deleted_kept:
            del self._sequences[bisect_left(self._sequences, self._deleted.popleft())]

    def _record_change(self, record: _Record) -> None:
        self.changes.save(record.sequence, record)
        self._record_effect(record.room.id)

    def _record_effect(self, room_id: str) -> None:
        last = self.last_effect
        self.last_effect = Effect(1 if last is None else last.number + 1, room_id)

    def _delete_expired(self) -> None:
        """Delete the rooms with windows that ended longer ago than the retention."""
        if self._retention is None or self._first_end + self._retention >= self._clock.now():
            return
        latest_end = self._clock.now() - self._retention
        for record in [*self._by_id.values()]:
            if record.room.valid_until < latest_end:
                self._remove(record)
        ends = (record.room.valid_until for record in self._by_id.values())
        self._first_end = min(ends, default=math.inf)

    def _remove(self, record: _Record) -> None:
        del self._by_id[record.room.id], self._by_sequence[record.sequence]
        self._keep_deleted(record.sequence)
        self.changes.remove(record.sequence)

    def _find(self, room_id: str) -> _Record:
        self._delete_expired()
        try:
            return self._by_id[room_id]
        except KeyError:
            raise NoSuchRoomError(room_id) from None
