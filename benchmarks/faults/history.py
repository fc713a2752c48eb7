"""The history checker: what callers were told, held against what happened.

Pure: it takes what the callers know and what the service did, and says what does not fit. The
rules: what was acknowledged happened; a create happened once at the most; what was acknowledged in
one order happened in that order, and nothing old comes back after something newer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """One change that a caller asked for, in the order of asking.

    One caller changes one room, and asks for the next change only after it was told of the one
    before.
    """

    key: str
    """Names the change; nobody asks for another with this key."""
    room: str
    """The room; of a create, the id that the caller was told, or empty."""
    create: bool
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Done:
    """One effect, in the order in which they happened."""

    key: str
    room: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What does not fit: the keys of the changes at fault."""

    duplicated: tuple[str, ...]
    """Done again: created twice, or done again after a newer change of the same room."""
    lost: tuple[str, ...]
    """Acknowledged, but not done, not in that order, or not in that room."""


def check(
    told: Sequence[Told], done: Sequence[Done], final: Mapping[str, Iterable[str]]
) -> Findings:
    """Find what does not fit.

    `final` is, for each room that should be there at the end, the keys that should be seen in it
    and are: of a room that is gone there is nothing. Rooms that nobody was told of do not matter.
    """
    places: dict[str, list[int]] = defaultdict(list)
    rooms: dict[str, set[str]] = defaultdict(set)
    for place, effect in enumerate(done):
        places[effect.key].append(place)
        rooms[effect.key].add(effect.room)
    duplicated, lost = [], []
    newest: dict[str, int] = {}
    for change in told:
        happened = places[change.key]
        if change.create and len(happened) > 1:
            duplicated.append(change.key)
        if not change.acknowledged:
            continue
        if not happened or (change.room and change.room not in rooms[change.key]):
            lost.append(change.key)
            continue
        if change.create:
            if change.room not in final:
                lost.append(change.key)
            continue
        if happened[0] < newest.get(change.room, -1):
            lost.append(change.key)
        newest[change.room] = max(happened[0], newest.get(change.room, -1))
    duplicated += _stale(told, places)
    seen = {key for keys in final.values() for key in keys}
    expected = {change.key for change in told if change.acknowledged and not change.create}
    gone = {c.key for c in told if c.key in expected and c.room in final} - seen
    return Findings(tuple(dict.fromkeys(duplicated)), tuple(dict.fromkeys([*lost, *sorted(gone)])))


def _stale(told: Sequence[Told], places: Mapping[str, list[int]]) -> list[str]:
    """Find acknowledged changes that came back after a newer change of the same room."""
    stale = []
    next_begins: dict[str, int] = {}
    for change in reversed(told):
        happened = places.get(change.key, [])
        if change.create or not happened:
            continue
        begins = next_begins.get(change.room)
        if change.acknowledged and begins is not None and happened[-1] > begins:
            stale.append(change.key)
        next_begins[change.room] = min(happened[0], begins if begins is not None else happened[0])
    return stale
