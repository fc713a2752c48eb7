"""The identities of one resource, in memory. Its methods neither wait nor yield."""

from random import Random
from uuid import UUID


class NoSuchIdentityError(LookupError):
    """The identity does not exist, or no longer."""


class Identities:
    """All communication users that were made here.

    Args:
        random: decides the ids.

    Attributes:
        resource: the GUID of the emulated Communication Services resource, the same for all its
            users. It outlives ``clear``.

    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.resource = str(UUID(bytes=random.randbytes(16), version=4))
        self.clear()

    def clear(self) -> None:
        """Forget everybody."""
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def create(self) -> str:
        """Make an identity, and give its raw id."""
        raw_id = self._new_id()
        while raw_id in self._ids:
            raw_id = self._new_id()
        self._ids.add(raw_id)
        return raw_id

    def require(self, raw_id: str) -> None:
        """Do nothing if there is this identity.

        Raises:
            NoSuchIdentityError: there is none.

        """
        if raw_id not in self._ids:
            raise NoSuchIdentityError

    def delete(self, raw_id: str) -> None:
        """Delete an identity.

        Raises:
            NoSuchIdentityError: there is none.

        """
        self.require(raw_id)
        self._ids.remove(raw_id)

    def _new_id(self) -> str:
        # The user's part is no GUID of any version: in real ids it begins with a small number.
        user = UUID(bytes=bytes(3) + self._random.randbytes(13))
        return f"8:acs:{self.resource}_{user}"
