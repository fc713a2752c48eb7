"""Calls of the trials: a plan that is drawn from a seed, equal for every system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

RESOURCE = "5ec2e7ca-4a4e-4a4e-8a4e-0123456789ab"
"""Resource id of all participants; it must not appear in any output."""

PHONE = "4:+15550100987"
"""A phone number: the Rooms service rejects it, and repeats it in its response."""

_RAW_ID = re.compile(rf"8:acs:{RESOURCE}_[0-9a-f-]+")
ROOM = re.compile(r"/rooms/([^/?]+)")
"""Id of a room in a request target."""


class Kind(StrEnum):
    """Kind of call of a trial."""

    CREATE = "create"
    GET = "get"
    UPDATE = "update"
    DELETE = "delete"
    ADD = "add"
    REMOVE = "remove"
    LIST = "list"
    LIST_ROOMS = "list-rooms"
    REJECTED = "rejected"
    ADMIT = "admit"
    CREATE_WITH_GUESTS = "create-with-guests"
    BULK_CREATE = "bulk-create"
    BULK_DELETE = "bulk-delete"
    SYNC = "sync"
    LIST_ROSTERS = "list-rosters"


EVERYTHING = (Kind.CREATE, Kind.GET, Kind.UPDATE, Kind.DELETE, Kind.ADD, Kind.REMOVE, Kind.LIST)
ADMISSIONS = (Kind.ADMIT, Kind.CREATE_WITH_GUESTS)
BULK = (Kind.BULK_CREATE, Kind.BULK_DELETE)
"""Items of bulk jobs."""
JOBS = (*BULK, Kind.SYNC, Kind.LIST_ROSTERS)
CHANGES = (Kind.ADD, Kind.REMOVE, Kind.REJECTED)
WRITES = (Kind.CREATE, Kind.UPDATE, Kind.DELETE, Kind.ADD, Kind.REMOVE)
"""Calls whose effect must not be lost once they are acknowledged."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Guest of an admission."""

    raw_id: str
    """Empty: create a user."""
    role: str
    """REST name of the role that the guest must have afterwards."""
    keep: bool = False
    """Leave the role out, because the participant has it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, independent of the system that makes it."""

    kind: Kind
    room: str = ""
    raw_id: str = ""
    deadline: float = 5.0
    """Deadline of the call, in seconds."""
    pause: float = 0.0
    """Pause of the reader after each page of a list of rooms, in seconds."""
    cancel: float = 0.0
    """Time after which the caller cancels, in seconds; 0: never."""
    guests: tuple[Guest, ...] = ()
    """Guests of an admission; participants of a sync, with the roles that they must have."""
    request_id: str = ""
    """Idempotency key of the room of an admission."""
    trace: str = ""
    """Trace id of an admission or job, which all of its upstream requests carry."""

    @property
    def key(self) -> str:
        """Name of the call, made of values that the upstream receives."""
        if self.kind in {Kind.CREATE, Kind.BULK_CREATE}:
            return f"create {self.raw_id}"
        if self.kind in CHANGES:
            return f"{'-' if self.kind is Kind.REMOVE else '+'} {self.raw_id} {self.room}"
        return self.room


def key_of(operation: str, target: str, body: bytes) -> str:
    """Return the `Call.key` of the call that a REST request belongs to."""
    raw_id = _RAW_ID.search(body.decode(errors="replace"))
    if operation == "CreateRoom":
        return f"create {raw_id[0]}" if raw_id else ""
    room = ROOM.search(target)
    if room is None:
        return ""
    if operation == "UpdateParticipants":
        return f"{'-' if b'null' in body else '+'} {raw_id[0] if raw_id else PHONE} {room[1]}"
    return room[1]


def raw_id_of(number: int) -> str:
    """Return a raw id that is unique for each number."""
    return f"8:acs:{RESOURCE}_{number:08x}-7637-da8c-08d5-363a0d005464"


def plan(seed: int, kinds: tuple[Kind, ...], count: int) -> Iterator[tuple[int, Kind]]:
    """Draw the kind of call of each trial."""
    random = Random(seed)
    return ((number, random.choice(kinds)) for number in range(count))
