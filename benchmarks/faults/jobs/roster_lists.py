"""Text form of a list of rooms with their rosters."""

from __future__ import annotations

from collections.abc import Iterable

from rooms_emulator.rooms.store import Store

PARTICIPANTS = 3
"""Participants of each room: two pages."""


def line(room: str, raw_ids: Iterable[str]) -> str:
    """Return the line of one room."""
    return " ".join((room, *raw_ids))


def prepare(store: Store, count: int) -> None:
    """Add `count` rooms; every second one permits to dial out, the others are filtered out."""
    for room in store.seed(count, participants=PARTICIPANTS)[::2]:
        store.update(room, None, pstn_dial_out_enabled=True)
