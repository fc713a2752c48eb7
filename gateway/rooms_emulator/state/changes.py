"""Changes of a store since they were last saved."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Taken(NamedTuple, Generic[K, V]):
    """Changes since the previous ones were taken, each entry as of now."""

    saved: dict[K, V]
    removed: list[K]
    """In the order of removal."""


class Changes(Generic[K, V]):
    """The entries of a store that changed, by key. Nothing is collected before `track`."""

    def __init__(self) -> None:
        self.count = 0
        """Number of changes so far; it only grows."""
        self.cleared = False
        """Whether the store was cleared since the changes were last taken."""
        self._tracked = False
        self._forget()

    def track(self) -> None:
        """Collect changes from now on."""
        self._tracked = True
        self._forget()

    def stop(self) -> None:
        """Collect no more changes."""
        self._tracked = False
        self._forget()

    def save(self, key: K, value: V) -> None:
        """Record that an entry was added or changed."""
        if self._tracked:
            self.count += 1
            self._saved[key] = value

    def remove(self, key: K) -> None:
        """Record that an entry was removed."""
        if self._tracked:
            self.count += 1
            self._saved.pop(key, None)
            self._removed.append(key)

    def clear(self) -> None:
        """Record that all entries were removed."""
        if self._tracked:
            self.count += 1
            self._forget()
            self.cleared = True

    def take(self) -> Taken[K, V]:
        """Return the changes since the previous call."""
        taken = Taken(self._saved, self._removed)
        self._forget()
        return taken

    def _forget(self) -> None:
        self._saved: dict[K, V] = {}
        self._removed: list[K] = []
        self.cleared = False
