"""Values that pass between the transport and the rest of the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct, structs


class Headers(Mapping[str, str]):
    """Header fields of a response, by case-insensitive name; of duplicates, the first.

    They are found on access, because most are never read.
    """

    __slots__ = ("_head", "lower")

    def __init__(self, head: bytes) -> None:
        """`head` is a valid one, from the status line to the line end of the last field."""
        self._head = head
        self.lower = head.lower()
        """`head` in lower case."""

    def __getitem__(self, name: str) -> str:
        if not self.count(name):
            raise KeyError(name)
        return self.get(name)

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override] # text for text
        """Return a field, or `default`. Faster than the inherited one, which catches KeyError."""
        key = _key(name)
        start = self.lower.find(key) + len(key)
        if start < len(key):
            return default
        value = self._head[start : self._head.find(b"\r", start)]
        return value.strip(b" \t").decode("latin-1")

    def count(self, name: str) -> int:
        """Return the number of fields of a name."""
        return self.lower.count(_key(name))

    def __iter__(self) -> Iterator[str]:
        lines = self.lower.decode("latin-1").split("\r\n")[1:-1]
        return iter(dict.fromkeys(line.partition(":")[0] for line in lines))

    def __len__(self) -> int:
        return len(list(iter(self)))


@lru_cache(maxsize=64)
def _key(name: str) -> bytes:
    # A valid head has a line end before each name, and a colon right after it.
    return f"\r\n{name.lower()}:".encode("latin-1", "replace")


class OperationFamily(StrEnum):
    """REST operations that share a quota of the upstream."""

    READS = "reads"
    ROOM_WRITES = "room-writes"
    ROSTER_WRITES = "roster-writes"
    USER_CREATES = "user-creates"
    USER_DELETES = "user-deletes"
    TOKEN_ISSUES = "token-issues"
    TOKEN_REVOCATIONS = "token-revocations"
    TOKEN_EXCHANGES = "token-exchanges"

    @property
    def words(self) -> str:
        """The name in prose."""
        return self.value.replace("-", " ")

    @property
    def service(self) -> str:
        """The service of the operations, in prose."""
        return f"the {'Rooms' if self in _OF_ROOMS else 'Identity'} service"


_OF_ROOMS = (OperationFamily.READS, OperationFamily.ROOM_WRITES, OperationFamily.ROSTER_WRITES)


# Structs, because each call makes two: a frozen dataclass sets its fields one by one in Python.
class RestRequest(Struct, frozen=True):
    """One REST request without its signature."""

    method: str
    target: str
    """Path and query in percent-encoded ASCII, signed and sent unchanged."""
    body: bytes = b""
    headers: Mapping[str, str] = {}
    family: OperationFamily = OperationFamily.READS


class RestResponse(Struct, frozen=True):
    """One response of the upstream, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    after_ambiguous_attempt: bool = False
    """Whether an earlier attempt of the same call may have taken effect."""

    def after(self, *, ambiguous: bool) -> RestResponse:
        """Return the response with `after_ambiguous_attempt` set if `ambiguous`."""
        return structs.replace(self, after_ambiguous_attempt=True) if ambiguous else self
