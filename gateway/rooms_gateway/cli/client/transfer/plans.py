"""What an import creates for a room of an export."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, Room
from google.protobuf.json_format import ParseDict, ParseError

from rooms_gateway.cli.client.line_files import Line
from rooms_gateway.cli.client.text import utc

_MALFORMED = (ParseError, TypeError, AttributeError)

_CLOUDS = frozenset({"8:acs", "8:dod-acs", "8:gcch-acs"})
"""Beginnings of the raw ids of users of a resource."""

MAX_WINDOW = 180 * 86_400
"""Maximum length of a window, in seconds."""


class SkippedRoomError(Exception):
    """A room that is not imported; the text is the reason."""

    def __init__(self, room_id: str, reason: str) -> None:
        super().__init__(reason)
        self.room_id = room_id


@dataclass(slots=True)
class ImportOptions:
    """How rooms are imported."""

    job_id: uuid.UUID
    """With the id of a room, it determines the idempotency key of its create."""
    resource_id: str | None = None
    """Resource of the participants to import; None imports all."""
    reopen: int | None = None
    """Seconds that rooms with a window in the past are open from now on; None skips them."""


@dataclass(slots=True)
class Plan:
    """A room to create."""

    room: Room
    """The room of the export."""
    request: CreateRoomRequest
    changes: list[str] = field(default_factory=list)
    """Differences from the room of the export."""
    dropped: list[str] = field(default_factory=list)
    """Raw ids of participants that are left out."""


def read_room(line: Line) -> Room:
    """Return the room in a line of an export. Raises ValueError if it is malformed."""
    try:
        room = ParseDict(line["room"], Room(), ignore_unknown_fields=True)
    except _MALFORMED as error:
        raise ValueError(f"not a room of an export: {error}") from None
    if not room.id:
        raise ValueError("not a room of an export: it has no id")
    return room


def plan_room(room: Room, line: Line, now: int, options: ImportOptions) -> Plan:
    """Return what to create for `room` of a line; `now` is in seconds since 1970.

    Raises SkippedRoomError if the room is not imported, and ValueError if the line is malformed.
    """
    try:
        # Unknown values are errors here: an unknown role would become the default one.
        participants = [ParseDict(each, Participant()) for each in line.get("participants", ())]
    except _MALFORMED as error:
        raise ValueError(f"not a room of an export: {error}") from None
    request = CreateRoomRequest(request_id=str(uuid.uuid5(options.job_id, room.id)))
    plan = Plan(room, request)
    for participant in participants:
        if _is_user_of(options.resource_id, participant.raw_id):
            request.participants.append(participant)
        else:
            plan.dropped.append(participant.raw_id)
    if room.pstn_dial_out_enabled:
        request.pstn_dial_out_enabled = True
    _set_window(plan, now, options)
    return plan


def _set_window(plan: Plan, now: int, options: ImportOptions) -> None:
    room, request = plan.room, plan.request
    if room.HasField("valid_until") and room.valid_until.seconds <= now:
        if options.reopen is None:
            raise SkippedRoomError(room.id, f"its window has ended at {utc(room.valid_until)}")
        request.valid_until.seconds = now + options.reopen
        plan.changes.append(f"reopened, since its window has ended at {utc(room.valid_until)}")
        return
    start = now
    if room.HasField("valid_from") and room.valid_from.seconds > now:
        start = room.valid_from.seconds
        request.valid_from.CopyFrom(room.valid_from)
    elif room.HasField("valid_from"):
        # Unset, which is now by the clock of the Rooms service.
        plan.changes.append(f"starts now, since its window began at {utc(room.valid_from)}")
    if not room.HasField("valid_until"):
        return
    if room.valid_until.seconds - start <= MAX_WINDOW:
        request.valid_until.CopyFrom(room.valid_until)
        return
    plan.changes.append(f"ends after 180 days in place of {utc(room.valid_until)}")
    if start > now:
        request.valid_until.CopyFrom(room.valid_from)
        request.valid_until.seconds += MAX_WINDOW


def _is_user_of(resource_id: str | None, raw_id: str) -> bool:
    if resource_id is None:
        return True
    cloud, _, name = raw_id.rpartition(":")
    return cloud in _CLOUDS and name.partition("_")[0].lower() == resource_id.lower()
