"""What is called: a plan of trials, drawn from a seed, the same for every system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

RESOURCE = "5ec2e7ca-4a4e-4a4e-8a4e-0123456789ab"
"""The resource of all people here; in no output may it be seen."""

PHONE = "4:+15550100987"
"""A telephone, which the service does not take on rosters, and repeats in its answer."""

_PERSON = re.compile(rf"8:acs:{RESOURCE}_[0-9a-f-]+")
_ROOM = re.compile(r"/rooms/([^/?]+)")


class Kind(StrEnum):
    """What one trial calls."""

    CREATE = "create"
    GET = "get"
    UPDATE = "update"
    DELETE = "delete"
    ADD = "add"
    REMOVE = "remove"
    LIST = "list"
    LIST_ROOMS = "list-rooms"
    REFUSED = "refused"


EVERYTHING = (Kind.CREATE, Kind.GET, Kind.UPDATE, Kind.DELETE, Kind.ADD, Kind.REMOVE, Kind.LIST)
CHANGES = (Kind.ADD, Kind.REMOVE, Kind.REFUSED)
WRITES = (Kind.CREATE, Kind.UPDATE, Kind.DELETE, Kind.ADD, Kind.REMOVE)
"""What may not be lost once it is acknowledged."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as any system can make it."""

    kind: Kind
    room: str = ""
    person: str = ""
    deadline: float = 5.0
    """Seconds."""
    pause: float = 0.0
    """Seconds that a reader of a list of rooms takes for each page."""
    cancel: float = 0.0
    """Seconds after which the caller gives up; 0: never."""

    @property
    def key(self) -> str:
        """Names the call by what the service sees of it."""
        if self.kind is Kind.CREATE:
            return f"create {self.person}"
        if self.kind in CHANGES:
            return f"{'-' if self.kind is Kind.REMOVE else '+'} {self.person} {self.room}"
        return self.room


def key_of(operation: str, target: str, body: bytes) -> str:
    """Name the call that a REST request belongs to, as `Call.key` does."""
    person = _PERSON.search(body.decode(errors="replace"))
    if operation == "CreateRoom":
        return f"create {person[0]}" if person else ""
    room = _ROOM.search(target)
    if room is None:
        return ""
    if operation == "UpdateParticipants":
        return f"{'-' if b'null' in body else '+'} {person[0] if person else PHONE} {room[1]}"
    return room[1]


def person(number: int) -> str:
    """Make the raw id of somebody, one for each number."""
    return f"8:acs:{RESOURCE}_{number:08x}-7637-da8c-08d5-363a0d005464"


def plan(seed: int, kinds: tuple[Kind, ...], count: int) -> Iterator[tuple[int, Kind]]:
    """Draw what each trial calls."""
    random = Random(seed)
    return ((number, random.choice(kinds)) for number in range(count))
