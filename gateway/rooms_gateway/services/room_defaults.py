"""Defaults and bounds of a deployment: settings that complete and check REST bodies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from msgspec import structs

from rooms_gateway.call import Call
from rooms_gateway.errors import RoomLifetimeTooLongError, Violation
from rooms_gateway.services.convert.timestamps import TICKS_PER_SECOND, ticks_of, ticks_to_rest
from rooms_gateway.upstream.models import (
    MAX_LIFETIME,
    CreateRoom,
    ParticipantProperties,
    Roster,
    UpdateRoom,
)

WindowEnd = Literal["valid_from", "valid_until"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDefaults:
    """The defaults of rooms and participants, and the bound of windows; None: not set."""

    lifetime: float | None = None
    """Window of a room created without `valid_until`, in seconds; None: `max_lifetime`."""
    max_lifetime: float | None = None
    """Longest window of a create or an update, in seconds."""
    role: str | None = None
    """REST name of the role of participants without one."""
    clock: Callable[[], int] = time.time_ns
    """Returns nanoseconds since the epoch."""

    def complete_create(self, body: CreateRoom, call: Call) -> CreateRoom:
        """Fill in the end of the window and the roles. Raises RoomLifetimeTooLongError."""
        roster = self.complete_roster(body.participants, call)
        until = body.valid_until
        if body.valid_from is not None:
            start = ticks_of(body.valid_from)
        else:
            start = self.clock() * TICKS_PER_SECOND // 10**9
        if until is not None:
            self._check(start, ticks_of(until), "valid_until")
        else:
            until = self._default_end(start, call, starts_now=body.valid_from is None)
        return structs.replace(body, valid_until=until, participants=roster)

    def complete_roster(self, roster: Roster, call: Call) -> Roster:
        """Fill in the roles that are missing."""
        if self.role is None:
            return roster
        default = ParticipantProperties(self.role)
        completed = {
            raw_id: properties if properties is None or properties.role else default
            for raw_id, properties in roster.items()
        }
        if completed != roster:
            self.record_role(call)
        return completed

    def record_role(self, call: Call) -> None:
        """Record that the default role completes the request of `call`."""
        if self.role is not None:
            call.applied_settings += (f"default-role={self.role.lower()}",)

    def check_update(self, body: UpdateRoom, changed: WindowEnd = "valid_until") -> None:
        """Raise RoomLifetimeTooLongError, with a violation of `changed`, if the window is too long.

        One end alone cannot be checked; the Rooms service rejects it.
        """
        if body.valid_from is not None and body.valid_until is not None:
            self._check(ticks_of(body.valid_from), ticks_of(body.valid_until), changed)

    def _default_end(self, start: int, call: Call, *, starts_now: bool) -> str | None:
        """Return the end of the window of a room without one; None: that of the Rooms service."""
        name, lifetime = "default-room-lifetime", self.lifetime
        if lifetime is None:
            name, lifetime = "max-room-lifetime", self.max_lifetime
        # The Rooms service counts the longest window from its own clock: one that is counted from a
        # clock ahead of it would be too long.
        if lifetime is None or (starts_now and lifetime == MAX_LIFETIME):
            return None
        call.applied_settings += (f"{name}={lifetime:.15g}",)
        return ticks_to_rest(start + _ticks(lifetime))

    def _check(self, start: int, end: int, field: WindowEnd) -> None:
        if self.max_lifetime is None or end - start <= _ticks(self.max_lifetime):
            return
        remedy = "an earlier valid_until" if field == "valid_until" else "a later valid_from"
        text = (
            f"the window would have {(end - start) / TICKS_PER_SECOND:.15g} seconds, and this "
            f"gateway permits {self.max_lifetime:.15g}: choose {remedy}"
        )
        raise RoomLifetimeTooLongError(text, Violation(field, text))


def _ticks(seconds: float) -> int:
    return round(seconds * TICKS_PER_SECOND)
