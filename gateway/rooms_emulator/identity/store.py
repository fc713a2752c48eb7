"""In-memory store of the identities of one resource. Its methods are synchronous."""

from __future__ import annotations

from random import Random
from uuid import UUID

import msgspec

from rooms_emulator.state.changes import Changes


class NoSuchIdentityError(LookupError):
    """An identity that does not exist or was deleted."""


class User(msgspec.Struct, frozen=True):
    """A communication user."""

    id: str
    """Raw id."""
    custom_id: str | None = None
    last_token_issued_at: int | None = None
    """In ticks (see `timestamps`); None if no token was ever issued."""


class IdentitiesState(msgspec.Struct, frozen=True):
    """The content of a store, or what changed in it, as it is saved."""

    resource: str
    users: list[User]
    deleted: list[str] = []
    """Raw ids of deleted users."""


class Identities:
    """All communication users that this emulator issued. `random` determines their ids."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.resource = str(UUID(bytes=random.randbytes(16), version=4))
        """GUID of the emulated Communication Services resource; `clear` keeps it."""
        self.changes: Changes[str, User] = Changes()
        """Changed users, by raw id."""
        self.clear()

    def clear(self) -> None:
        """Remove all identities."""
        self._users: dict[str, User] = {}
        self._by_custom_id: dict[str, str] = {}
        self.changes.clear()

    def __len__(self) -> int:
        return len(self._users)

    def create(self, custom_id: str | None = None) -> User:
        """Return the user with a custom id, or else a new one."""
        if custom_id in self._by_custom_id:
            return self._users[self._by_custom_id[custom_id]]
        raw_id = self._new_id()
        while raw_id in self._users:
            raw_id = self._new_id()
        user = User(raw_id, custom_id)
        self._add(user)
        return user

    def get(self, raw_id: str) -> User:
        """Return a user. Raises NoSuchIdentityError if it does not exist."""
        try:
            return self._users[raw_id]
        except KeyError:
            raise NoSuchIdentityError(raw_id) from None

    def owns(self, raw_id: str) -> bool:
        """Return whether a raw id is of this resource, whether or not it exists."""
        return raw_id.startswith(f"8:acs:{self.resource}_")

    def record_token(self, raw_id: str, issued_at: int) -> None:
        """Record that a token was issued. Raises NoSuchIdentityError if there is no such user."""
        self._add(msgspec.structs.replace(self.get(raw_id), last_token_issued_at=issued_at))

    def delete(self, raw_id: str) -> None:
        """Delete a user; its custom id is free again.

        Raises NoSuchIdentityError if the user does not exist.
        """
        user = self.get(raw_id)
        del self._users[raw_id]
        if user.custom_id is not None:
            del self._by_custom_id[user.custom_id]
        self.changes.remove(raw_id)

    def state(self) -> IdentitiesState:
        """Return the content, for `apply`."""
        return IdentitiesState(self.resource, list(self._users.values()))

    def changed_state(self) -> IdentitiesState:
        """Return what changed since the previous call, for `apply`."""
        taken = self.changes.take()
        return IdentitiesState(self.resource, list(taken.saved.values()), taken.removed)

    def apply(self, state: IdentitiesState) -> None:
        """Add what another store contains, or what changed in it, and take over its resource."""
        self.resource = state.resource
        # Deleted users first: a custom id that they had may be another user's now.
        for raw_id in state.deleted:
            if raw_id in self._users:
                self.delete(raw_id)
        for user in state.users:
            self._add(user)

    def _add(self, user: User) -> None:
        self._users[user.id] = user
        if user.custom_id is not None:
            self._by_custom_id[user.custom_id] = user.id
        self.changes.save(user.id, user)

    def _new_id(self) -> str:
        # Three zero bytes, because the user part of real ids begins with a small number.
        user = UUID(bytes=bytes(3) + self._random.randbytes(13))
        return f"8:acs:{self.resource}_{user}"
