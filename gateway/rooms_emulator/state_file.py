"""The file that keeps rooms and users between runs."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from rooms_emulator.identity.store import Identities, IdentitiesState
from rooms_emulator.rooms.store import RoomsState, Store


class _State(RoomsState):
    """The content of the file."""

    identities: IdentitiesState | None = None
    """None in older files, which have rooms only."""


class StateFile:
    """Saves the content of both stores to a file, and loads it."""

    def __init__(self, path: str | Path, store: Store, identities: Identities) -> None:
        self._path = Path(path)
        self._store = store
        self._identities = identities

    def load(self) -> None:
        """Replace the content of the stores by that of the file, if it exists.

        Raises OSError if it cannot be read, and ValueError if it is malformed.
        """
        if not self._path.exists():
            return
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=_State)
        except ValueError as error:
            raise ValueError(
                f"{self._path} is not a file with rooms of an emulator: {error}"
            ) from None
        self._store.restore(state)
        if state.identities is not None:
            self._identities.restore(state.identities)

    def save(self) -> None:
        """Replace the file atomically. Raises OSError if it cannot be written."""
        rooms = msgspec.structs.asdict(self._store.state())
        content = msgspec.json.encode(_State(**rooms, identities=self._identities.state()))
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.write_bytes(content)
        fresh.replace(self._path)
