"""The history checker: compares acknowledged changes with the effects at the upstream.

A pure function of the changes and their effects. The rules: an acknowledged change has an effect; a
create has at most one; changes take effect in the order of their acknowledgements; and no change
takes effect again after a newer one of the same room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One requested change; changes are in the order of the requests.

    One caller changes one room, and requests a change only after the previous call has ended.
    """

    key: str
    """Unique name of the change."""
    room: str
    """Id of the room; of a create, the id in the response, or empty."""
    create: bool
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Done:
    """One effect; effects are in the order in which they happened."""

    key: str
    room: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Keys of the changes that violate the rules."""

    duplicated: tuple[str, ...]
    """Created twice, or repeated after a newer change of the same room."""
    lost: tuple[str, ...]
    """Acknowledged, but without effect, or in another order or room."""


def check(
    changes: Sequence[Change], done: Sequence[Done], final: Mapping[str, Iterable[str]]
) -> Findings:
    """Return the changes that violate the rules.

    `final` maps each room that exists at the end to the keys of the changes that are visible in it.
    Rooms without an acknowledged create are ignored.
    """
    positions: dict[str, list[int]] = defaultdict(list)
    rooms: dict[str, set[str]] = defaultdict(set)
    for position, effect in enumerate(done):
        positions[effect.key].append(position)
        rooms[effect.key].add(effect.room)
    duplicated, lost = [], []
    newest: dict[str, int] = {}
    for change in changes:
        effects = positions[change.key]
        if change.create and len(effects) > 1:
            duplicated.append(change.key)
        if not change.acknowledged:
            continue
        if not effects or (change.room and change.room not in rooms[change.key]):
            lost.append(change.key)
            continue
        if change.create:
            if change.room not in final:
                lost.append(change.key)
            continue
        if effects[0] < newest.get(change.room, -1):
            lost.append(change.key)
        newest[change.room] = max(effects[0], newest.get(change.room, -1))
    duplicated += _stale(changes, positions)
    seen = {key for keys in final.values() for key in keys}
    expected = {change.key for change in changes if change.acknowledged and not change.create}
    gone = {c.key for c in changes if c.key in expected and c.room in final} - seen
    return Findings(tuple(dict.fromkeys(duplicated)), tuple(dict.fromkeys([*lost, *sorted(gone)])))


def _stale(changes: Sequence[Change], positions: Mapping[str, list[int]]) -> list[str]:
    """Return acknowledged changes that were repeated after a newer change of the same room."""
    stale = []
    next_begins: dict[str, int] = {}
    for change in reversed(changes):
        effects = positions.get(change.key, [])
        if change.create or not effects:
            continue
        begins = next_begins.get(change.room)
        if change.acknowledged and begins is not None and effects[-1] > begins:
            stale.append(change.key)
        next_begins[change.room] = min(effects[0], begins if begins is not None else effects[0])
    return stale
