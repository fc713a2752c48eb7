"""Bulk jobs, syncs and lists with rosters with Microsoft's Python client, without a gateway.

A sync reads the roster, compares, and changes it with up to two calls; a list reads the roster of
each room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.communication.rooms import RoomParticipant, UnknownIdentifier
from azure.core.exceptions import ResourceNotFoundError

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent
from benchmarks.faults.calls import Kind
from benchmarks.faults.jobs.roster_lists import line as roster_line


async def make(rooms: Any, line: Mapping[str, Any]) -> str:
    """Make the call of a line, and return its value."""
    room = line["room"]

    def add_trace(request: Any) -> None:
        request.http_request.headers[TRACEPARENT] = traceparent(line["trace"])

    # Headers that are given with a call are missing in the requests of further pages.
    options = {"raw_request_hook": add_trace}
    match line["kind"]:
        case Kind.BULK_CREATE:
            participants = [_participant(line["raw_id"], "Attendee")]
            return str((await rooms.create_room(participants=participants, **options)).id)
        case Kind.BULK_DELETE:
            try:
                await rooms.delete_room(room, **options)
            except ResourceNotFoundError:
                # A job that is sent again finds some rooms deleted.
                return str(room)
        case Kind.SYNC:
            await _sync(
                rooms, room, {each["raw_id"]: each["role"] for each in line["guests"]}, options
            )
        case Kind.LIST_ROSTERS:
            lines = []
            async for one in rooms.list_rooms(**options):
                if one.pstn_dial_out_enabled:
                    found = rooms.list_participants(one.id, **options)
                    raw_ids = [each.communication_identifier.raw_id async for each in found]
                    lines.append(roster_line(one.id, raw_ids))
            return "\n".join(lines)
    return str(room)


async def _sync(rooms: Any, room: str, wanted: dict[str, str], options: dict[str, Any]) -> None:
    found = rooms.list_participants(room, **options)
    present = {each.communication_identifier.raw_id: each.role async for each in found}
    changed = [_participant(*each) for each in wanted.items() if each not in present.items()]
    removed = [UnknownIdentifier(raw_id) for raw_id in present if raw_id not in wanted]
    if changed:
        await rooms.add_or_update_participants(room_id=room, participants=changed, **options)
    if removed:
        await rooms.remove_participants(room_id=room, participants=removed, **options)


def _participant(raw_id: str, role: str) -> RoomParticipant:
    return RoomParticipant(communication_identifier=UnknownIdentifier(raw_id), role=role)
