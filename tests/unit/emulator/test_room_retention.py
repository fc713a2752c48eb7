"""Deletion of rooms some time after the end of their windows."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator.clock import Clock
from rooms_emulator.rooms.store import NoSuchRoomError, Store
from rooms_emulator.rooms.windows import Window
from rooms_emulator.timestamps import TICKS_PER_SECOND

HOUR = 3600 * TICKS_PER_SECOND
GRACE = 2.5


def frozen() -> Clock:
    clock = Clock(lambda: 10**18)
    clock.freeze()
    return clock


def create(store: Store, clock: Clock, hours: int) -> str:
    now = clock.now()
    return store.create(Window(now, now + hours * HOUR), {}).id


steps = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete", "wait", "load"]), st.integers(0, 9)),
    max_size=30,
)


@given(steps=steps)
def test_rooms_are_deleted_after_the_retention(steps: list[tuple[str, int]]) -> None:
    """In any order of changes, the rooms are those whose windows ended within the retention."""
    clock = frozen()
    store = Store(clock, Random(0), retention=GRACE * 3600)
    ends: dict[str, int] = {}
    for step, hours in steps:
        rooms = list(ends)
        if step == "wait":
            clock.advance(hours * 1800)
        elif step == "load":
            saved = store.state()
            store.clear()
            store.apply(saved)
        elif step == "create":
            ends[create(store, clock, hours)] = clock.now() + hours * HOUR
        elif rooms and step == "update":
            room_id, end = rooms[hours % len(rooms)], clock.now() + hours * HOUR
            store.update(room_id, Window(clock.now(), end))
            ends[room_id] = end
        elif rooms:
            store.delete(rooms[hours % len(rooms)])
            del ends[rooms[hours % len(rooms)]]
        oldest = clock.now() - round(GRACE * HOUR)
        ends = {room_id: end for room_id, end in ends.items() if end >= oldest}
        assert len(store) == len(ends)
        assert [room.id for room in store.rooms_page().items] == [*ends][::-1]


def test_an_expired_room_is_unknown() -> None:
    """It is so from the first tick after the retention on, also if the clock goes back."""
    clock = frozen()
    store = Store(clock, Random(0), retention=0.0)
    room_id = create(store, clock, 1)
    clock.advance(3600)
    assert store.get(room_id).id == room_id
    clock.advance(1e-7)
    clock.advance(-1e-7)
    assert store.get(room_id).id == room_id
    clock.advance(1e-7)
    with pytest.raises(NoSuchRoomError):
        store.get(room_id)
    clock.advance(-3600)
    for call in (store.get, store.roster, store.delete, store.participants_page):
        with pytest.raises(NoSuchRoomError):
            call(room_id)


def test_expired_rooms_occupy_records_in_pages() -> None:
    """They are deleted rooms, and their deletion is no effect of a request."""
    clock = frozen()
    store = Store(clock, Random(0), retention=60.0)
    kept = create(store, clock, 5)
    for _ in range(30):
        create(store, clock, 1)
    effect = store.last_effect
    clock.advance(2 * 3600)
    page = store.rooms_page()
    assert (page.items, page.next is None) == ([], False)
    assert [room.id for room in store.rooms_page(page.next).items] == [kept]
    assert store.last_effect is effect


def test_rooms_are_kept_by_default() -> None:
    clock = frozen()
    store = Store(clock, Random(0))
    room_id = create(store, clock, 1)
    clock.advance(10**9)
    assert store.get(room_id).id == room_id
