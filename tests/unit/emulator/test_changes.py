"""Changes of the stores: applied one after the other, they make up the whole content."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator.clock import Clock
from rooms_emulator.identity.store import Identities, IdentitiesState, User
from rooms_emulator.rooms.store import RoomsState, Store
from rooms_emulator.rooms.windows import Window

S = TypeVar("S")

STEPS = st.lists(
    st.sampled_from(["create", "create", "change", "delete", "flush"]) | st.just("clear"),
    max_size=60,
)


def new_store(random: Random) -> Store:
    """Return a store with few room ids, which are used again, and few records of deleted rooms."""
    ids = [f"99{number}" for number in range(65)]
    return Store(Clock(), random, new_room_id=lambda: random.choice(ids), deleted_kept=5)


def copied(state: S) -> S:
    """Return `state` by way of JSON, as a file keeps it."""
    return msgspec.json.decode(msgspec.json.encode(state), type=type(state))


@given(steps=STEPS, seed=st.integers(0, 1000))
def test_changes_of_rooms_make_up_the_content(steps: list[str], seed: int) -> None:
    random = Random(seed)
    store, copy = new_store(random), new_store(random)
    store.changes.track()
    for step in [*steps, "flush"]:
        living = list(store.state().records)
        room = random.choice(living).room.id if living else ""
        match step:
            case "create":
                store.seed(1, participants=2)
            case "change" if room:
                store.change_roster(room, {f"8:acs:{random.random()}": "Attendee"})
                store.update(room, Window(1, 2))
            case "delete" if room:
                store.delete(room)
            case "clear":
                store.clear()
            case "flush":
                flush(store.changes.cleared, copy.clear, copy.apply, store.changed_state)
    assert by_sequence(copy.state()) == by_sequence(store.state())
    assert copy.rooms_page() == store.rooms_page()
    for record in store.state().records:
        assert copy.roster(record.room.id) == store.roster(record.room.id)


@given(steps=STEPS, seed=st.integers(0, 1000))
def test_changes_of_users_make_up_the_content(steps: list[str], seed: int) -> None:
    random = Random(seed)
    store, copy = Identities(random), Identities(random)
    store.changes.track()
    for step in [*steps, "flush"]:
        users = store.state().users
        user = random.choice(users).id if users else ""
        match step:
            case "create":
                store.create(random.choice([None, "alice", "bob"]))
            case "change" if user:
                store.record_token(user, random.getrandbits(40))
            case "delete" if user:
                store.delete(user)
            case "clear":
                store.clear()
            case "flush":
                flush(store.changes.cleared, copy.clear, copy.apply, store.changed_state)
    assert users_of(copy.state()) == users_of(store.state())
    for custom_id in ("alice", "bob"):
        known = {user.custom_id: user for user in store.state().users}
        assert custom_id not in known or copy.create(custom_id) == known[custom_id]


def flush(
    cleared: bool,
    clear: Callable[[], None],
    apply: Callable[[S], None],
    changed_state: Callable[[], S],
) -> None:
    """Apply the changes of one store to its copy, as a file does."""
    if cleared:
        clear()
    apply(copied(changed_state()))


def by_sequence(state: RoomsState) -> RoomsState:
    return msgspec.structs.replace(state, records=sorted(state.records, key=lambda r: r.sequence))


def users_of(state: IdentitiesState) -> tuple[str, list[User]]:
    return state.resource, sorted(state.users, key=lambda user: user.id)
