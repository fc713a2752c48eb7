"""The values that go into the transport and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One REST request, complete but for its signature."""

    method: str
    target: str
    """Path and query, ASCII, percent-encoded: signed and sent exactly as it stands."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """One answer of the service, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    after_ambiguous_attempt: bool = False
    """Whether an earlier attempt of the same call may have had its effect unseen."""

    def after(self, *, ambiguous: bool) -> RestAnswer:
        """Return the answer marked so; mostly there is nothing to mark, and nothing to copy."""
        return replace(self, after_ambiguous_attempt=True) if ambiguous else self
