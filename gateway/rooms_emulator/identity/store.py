"""In-memory store of the identities of one resource. Its methods are synchronous."""

from __future__ import annotations

from random import Random
from uuid import UUID


class NoSuchIdentityError(LookupError):
    """An identity that does not exist or was deleted."""


class Identities:
    """All communication users that this emulator issued. `random` determines their ids."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.resource = str(UUID(bytes=random.randbytes(16), version=4))
        """GUID of the emulated Communication Services resource; `clear` keeps it."""
        self.clear()

    def clear(self) -> None:
        """Remove all identities."""
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def create(self) -> str:
        """Add an identity; return its raw id."""
        raw_id = self._new_id()
        while raw_id in self._ids:
            raw_id = self._new_id()
        self._ids.add(raw_id)
        return raw_id

    def require(self, raw_id: str) -> None:
        """Raise NoSuchIdentityError if the identity does not exist."""
        if raw_id not in self._ids:
            raise NoSuchIdentityError

    def delete(self, raw_id: str) -> None:
        """Delete an identity. Raises NoSuchIdentityError if it does not exist."""
        self.require(raw_id)
        self._ids.remove(raw_id)

    def _new_id(self) -> str:
        # Three zero bytes, because the user part of real ids begins with a small number.
        user = UUID(bytes=bytes(3) + self._random.randbytes(13))
        return f"8:acs:{self.resource}_{user}"
