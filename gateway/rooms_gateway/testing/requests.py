"""What the emulator was asked, as a test sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Struck:
    """The fault that struck a request, and what was drawn for it."""

    id: int
    label: str
    """The preset's name, or the label that it was given; empty if it has none."""
    latency: float
    """Seconds that it waited, the jitter included."""
    status: int | None
    """The status that was ordered; None: the operation's own."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request changed: a room, or its roster."""

    number: int
    """Grows in the order in which the changes happened."""
    room: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the emulator got."""

    number: int
    """Counts the requests, from 1."""
    at: str
    """When it came, by the emulator's clock."""
    operation: str
    """Such as `CreateRoom`; empty if it led to none."""
    method: str
    target: str
    headers: Mapping[str, str]
    """Those worth a look, in lower case; no credentials."""
    body: str
    status: int | None
    """What was answered; None: nothing was, or not yet."""
    fault: Struck | None
    effect: Effect | None
    """Set as well where the caller never got an answer; None: it changed nothing."""

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Request:
        """Make one of an entry of the journal."""
        known = {name: members[name] for name in cls.__slots__}
        fault, effect = known["fault"], known["effect"]
        known["fault"] = Struck(**fault) if fault else None
        known["effect"] = Effect(**effect) if effect else None
        return cls(**known)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def __str__(self) -> str:
        answered = self.status or "no answer"
        line = f"#{self.number} {self.operation or self.method + ' ' + self.target} -> {answered}"
        if self.fault is not None:
            line += f", struck by fault {self.fault.id} {self.fault.label}".rstrip()
        if self.effect is not None:
            line += f", effect {self.effect.number} on room {self.effect.room}"
        return line
