"""The requests in an emulator's journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Struck:
    """The fault that was injected into a request, and its random values."""

    id: int
    label: str
    """Name of the preset, or the label of the fault; empty without either."""
    latency: float
    """Added latency, jitter included, in seconds."""
    status: int | None
    """Injected HTTP status; None: the status of the operation itself."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The change that a request made to a room or its roster."""

    number: int
    """Grows in the order of the changes."""
    room: str
    """Id of the room."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the emulator received."""

    number: int
    """Number of the request, from 1."""
    at: str
    """Time of arrival by the emulator's clock."""
    operation: str
    """Name of the operation, such as `CreateRoom`; empty for an unknown one."""
    method: str
    target: str
    headers: Mapping[str, str]
    """Headers by lower-case name, without credentials."""
    body: str
    status: int | None
    """HTTP status of the response; None: no response (yet)."""
    fault: Struck | None
    quota: str | None
    """Quota that rejected the request, as it was given; None: no quota did."""
    effect: Effect | None
    """The change, also if the response was lost; None: no change."""

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Request:
        """Make a request of an entry of the journal."""
        known = {name: members[name] for name in cls.__slots__}
        fault, effect = known["fault"], known["effect"]
        known["fault"] = Struck(**fault) if fault else None
        known["effect"] = Effect(**effect) if effect else None
        return cls(**known)

    @property
    def json(self) -> Any:
        """The body, decoded as JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        status = self.status or "no response"
        line = f"#{self.number} {self.operation or self.method + ' ' + self.target} -> {status}"
        if self.fault is not None:
            line += f", fault {self.fault.id} {self.fault.label}".rstrip()
        if self.quota is not None:
            line += f", quota {self.quota}"
        if self.effect is not None:
            line += f", effect {self.effect.number} on room {self.effect.room}"
        return line
