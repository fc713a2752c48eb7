"""Rooms and their rosters, in memory, as the service's database keeps them.

The store knows nothing of HTTP, JSON or api-versions. Its methods neither wait nor yield, so each
is atomic to all requests of one event loop.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from rooms_emulator.clock import Clock
from rooms_emulator.rooms import identifiers
from rooms_emulator.rooms.roster import DEFAULT_ROLE, LARGEST_ROSTER, Participant, Roster
from rooms_emulator.rooms.windows import Window, of_new_room
from rooms_emulator.timestamps import TICKS_PER_SECOND

RECORDS_PER_PAGE: Final = 30
DEFAULT_JOIN_POLICY: Final = "InviteOnly"

# How long recorded creates took to be stored, in ticks.
_SHORTEST_WRITE: Final = 43 * TICKS_PER_SECOND // 1000
_LONGEST_WRITE: Final = 353 * TICKS_PER_SECOND // 1000

T = TypeVar("T")


class NoSuchRoomError(LookupError):
    """The room does not exist, or no longer."""


class Room(msgspec.Struct, frozen=True):
    """A room at one moment; instants in ticks (see ``timestamps``)."""

    id: str
    created_at: int
    valid_from: int
    valid_until: int
    pstn_dial_out_enabled: bool
    join_policy: str = DEFAULT_JOIN_POLICY


class Page(NamedTuple, Generic[T]):
    """One page of a list, and where the next one starts, if there is one."""

    items: list[T]
    next: int | None


class Effect(NamedTuple):
    """A change of a room or its roster; ``number`` grows in the order in which they happened."""

    number: int
    room: str


class _Record(msgspec.Struct):
    """All that is kept of one room; ``sequence`` counts the rooms in the order of creation."""

    sequence: int
    room: Room
    roster: Roster


class _State(msgspec.Struct):
    """Everything in a store, as it is saved."""

    records: list[_Record]
    deleted: list[int]
    next_sequence: int
    last_created_at: int


class Store:
    """All rooms of one Communication Services resource.

    Attributes:
        last_effect: the latest change, if there was one since the last ``clear``.

    Args:
        clock: tells when a room was created.
        random: decides ids and how long a write takes.
        new_room_id: makes the id of a new room.
        participants_page_size: how many participants a page holds; all of them by default.
        deleted_kept: how many deleted rooms go on taking places in pages. Beyond that the oldest
            are forgotten, so that a store that creates and deletes without end stays small.

    """

    def __init__(
        self,
        clock: Clock,
        random: Random,
        *,
        new_room_id: Callable[[], str] | None = None,
        participants_page_size: int | None = None,
        deleted_kept: int = 10_000,
    ) -> None:
        self._clock = clock
        self._random = random
        self._new_room_id = new_room_id or (lambda: identifiers.new_room_id(random))
        self._participants_page_size = participants_page_size or LARGEST_ROSTER
        self._deleted_kept = deleted_kept
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._by_id: dict[str, _Record] = {}
        # Every sequence that takes a place in a page, ascending; deleted rooms have no record.
        self._sequences: list[int] = []
        self._by_sequence: dict[int, _Record] = {}
        self._deleted: deque[int] = deque()
        self._next_sequence = 0
        self._last_created_at = 0
        self.last_effect: Effect | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def create(
        self,
        window: Window,
        roster: Mapping[str, str],
        *,
        pstn_dial_out_enabled: bool = False,
        join_policy: str | None = None,
    ) -> Room:
        """Add a room with its first participants (raw id to role, in this order).

        Raises:
            RosterFullError: there are too many participants.

        """
        first_roster = Roster().changed(roster)
        room_id = self._new_room_id()
        while room_id in self._by_id:
            room_id = self._new_room_id()
        # Later than the room before, however fast they follow each other or the clock goes back,
        # so that the order of creation is the order of `createdAt`.
        written = self._clock.now() + self._random.randint(_SHORTEST_WRITE, _LONGEST_WRITE)
        created_at = self._last_created_at = max(written, self._last_created_at + 1)
        room = Room(
            room_id,
            created_at,
            window.start,
            window.end,
            pstn_dial_out_enabled,
            join_policy or DEFAULT_JOIN_POLICY,
        )
        record = _Record(self._next_sequence, room, first_roster)
        self._next_sequence += 1
        self._by_id[room_id] = self._by_sequence[record.sequence] = record
        self._sequences.append(record.sequence)
        self._note(room_id)
        return room

    def get(self, room_id: str) -> Room:
        """Read a room.

        Raises:
            NoSuchRoomError: there is none.

        """
        return self._record(room_id).room

    def update(
        self,
        room_id: str,
        window: Window | None,
        *,
        pstn_dial_out_enabled: bool | None = None,
        join_policy: str | None = None,
    ) -> Room:
        """Change what is given of a room.

        Raises:
            NoSuchRoomError: there is none.

        """
        record = self._record(room_id)
        old = record.room
        start, end = window or (old.valid_from, old.valid_until)
        pstn = old.pstn_dial_out_enabled if pstn_dial_out_enabled is None else pstn_dial_out_enabled
        policy = join_policy or old.join_policy
        record.room = Room(old.id, old.created_at, start, end, pstn, policy)
        self._note(room_id)
        return record.room

    def delete(self, room_id: str) -> None:
        """Delete a room; it goes on taking a place in the pages of lists.

        Raises:
            NoSuchRoomError: there is none.

        """
        sequence = self._record(room_id).sequence
        del self._by_id[room_id], self._by_sequence[sequence]
        self._deleted.append(sequence)
        if len(self._deleted) > self._deleted_kept:
            del self._sequences[bisect_left(self._sequences, self._deleted.popleft())]
        self._note(room_id)

    def rooms_page(self, before: int | None = None) -> Page[Room]:
        """Read a page of rooms, newest first.

        A page is 30 records, of which deleted rooms are left out afterwards. What is created
        while a list is read comes before its pages, so nothing is skipped or repeated.

        Args:
            before: where the page starts: the ``next`` of the page before; the newest by default.

        """
        sequences = self._sequences
        end = len(sequences) if before is None else bisect_left(sequences, before)
        start = max(end - RECORDS_PER_PAGE, 0)
        live = self._by_sequence
        rooms = [live[s].room for s in reversed(sequences[start:end]) if s in live]
        return Page(rooms, sequences[start] if start else None)

    def change_roster(self, room_id: str, changes: Mapping[str, str | None]) -> None:
        """Add, change and remove participants as ``Roster.changed`` does, all or nobody.

        Raises:
            NoSuchRoomError: there is no such room.
            RosterFullError: too many participants would be left.

        """
        record = self._record(room_id)
        record.roster = record.roster.changed(changes)
        self._note(room_id)

    def people(self, room_id: str) -> list[Participant]:
        """Read a whole roster, in the order of joining.

        Raises:
            NoSuchRoomError: there is no such room.

        """
        return list(self._record(room_id).roster.people.values())

    def participants_page(self, room_id: str, start: int = 0) -> Page[Participant]:
        """Read a page of a roster, in the order of joining.

        Args:
            room_id: the room.
            start: where the page starts: the ``next`` of the page before.

        Raises:
            NoSuchRoomError: there is no such room.

        """
        return Page(*self._record(room_id).roster.page(start, self._participants_page_size))

    def seed(self, count: int, *, deleted: bool = False, participants: int = 0) -> list[str]:
        """Add many rooms with default windows at once, for tests.

        Args:
            count: how many.
            deleted: whether they are deleted at once, and so only take places in pages.
            participants: how many made-up attendees each has.

        Returns:
            The ids, oldest first.

        """
        ids = []
        for _ in range(count):
            people = (identifiers.new_communication_user(self._random) for _ in range(participants))
            window = of_new_room(None, None, self._clock.now())
            ids.append(self.create(window, dict.fromkeys(people, DEFAULT_ROLE)).id)
            if deleted:
                self.delete(ids[-1])
        return ids

    def dump(self) -> bytes:
        """Write everything down, as JSON."""
        return msgspec.json.encode(
            _State(
                list(self._by_sequence.values()),
                list(self._deleted),
                self._next_sequence,
                self._last_created_at,
            )
        )

    def load(self, text: bytes) -> None:
        """Put what ``dump`` wrote in the place of everything.

        Raises:
            ValueError: the text is not of ``dump``.

        """
        state = msgspec.json.decode(text, type=_State)
        self.clear()
        self._by_id = {record.room.id: record for record in state.records}
        self._by_sequence = {record.sequence: record for record in state.records}
        self._deleted.extend(state.deleted)
        self._sequences = sorted([*self._by_sequence, *state.deleted])
        self._next_sequence = state.next_sequence
        self._last_created_at = state.last_created_at

    def _note(self, room_id: str) -> None:
        last = self.last_effect
        self.last_effect = Effect(1 if last is None else last.number + 1, room_id)

    def _record(self, room_id: str) -> _Record:
        try:
            return self._by_id[room_id]
        except KeyError:
            raise NoSuchRoomError(room_id) from None
