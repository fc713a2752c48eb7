"""The values that go into the transport and come out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct, structs


class Headers(Mapping[str, str]):
    """The header fields of an answer, by names in any case; of two with one name the first.

    Decoded when they are asked for, which few ever are.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        """Take the fields, by names in lower case."""
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower().encode("latin-1", "replace")].decode("latin-1")

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override] # text for text
        """Return a field, or `default`. The inherited one raises and catches for what is not."""
        value = self._fields.get(name.lower().encode("latin-1", "replace"))
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


# Not frozen dataclasses: two are made for each call, and those are set field by field from Python.
class RestRequest(Struct, frozen=True):
    """One REST request, complete but for its signature."""

    method: str
    target: str
    """Path and query, ASCII, percent-encoded: signed and sent exactly as it stands."""
    body: bytes = b""
    headers: Mapping[str, str] = {}


class RestResponse(Struct, frozen=True):
    """One answer of the service, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    after_ambiguous_attempt: bool = False
    """Whether an earlier attempt of the same call may have had its effect unseen."""

    def after(self, *, ambiguous: bool) -> RestResponse:
        """Return the answer marked so; mostly there is nothing to mark, and nothing to copy."""
        return structs.replace(self, after_ambiguous_attempt=True) if ambiguous else self
