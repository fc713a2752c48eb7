"""Syncs, items of bulk jobs, and lists with rosters, over gRPC."""

from __future__ import annotations

from typing import Any

from acs.rooms.v1 import participants_pb2, rooms_pb2
from acs.rooms.v1.error_reason_pb2 import ErrorReason

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent
from benchmarks.faults.calls import BULK, Call, Kind
from benchmarks.faults.jobs.bulk_stream import CODES, BulkStream
from benchmarks.faults.jobs.roster_lists import line
from benchmarks.faults.verdicts import OK, Admitted, Outcome

_PREFIX = "PARTICIPANT_ROLE_"


class GrpcJobs:
    """Makes the calls of the rows about jobs."""

    def __init__(self, rooms: Any, participants: Any) -> None:
        self._rooms = rooms
        self._participants = participants
        self._streams = {
            Kind.BULK_CREATE: BulkStream(rooms.BulkCreateRooms),
            Kind.BULK_DELETE: BulkStream(rooms.BulkDeleteRooms),
        }

    async def make(self, call: Call) -> Outcome:
        """Make a call, and return its outcome without times. Raises AioRpcError if it fails."""
        metadata = ((TRACEPARENT, traceparent(call.trace)),)
        if call.kind in BULK:
            code, reason, text = await self._streams[call.kind].result(call)
            return Outcome(code, value=text) if code == OK else Outcome(code, reason, text)
        if call.kind is Kind.SYNC:
            roster = [
                participants_pb2.Participant(
                    raw_id=guest.raw_id,
                    role=participants_pb2.ParticipantRole.Value(_PREFIX + guest.role.upper()),
                )
                for guest in call.guests
            ]
            sync = participants_pb2.SyncParticipantsRequest(room_id=call.room, participants=roster)
            rpc = self._participants.SyncParticipants
            await rpc(sync, timeout=call.deadline, metadata=metadata)
            return Outcome(OK, value=call.room)
        request = rooms_pb2.ListRoomsRequest(
            filter=rooms_pb2.RoomFilter(pstn_dial_out_enabled=True), include_participants=True
        )
        lines, failed = [], []
        pages = self._rooms.ListRooms(request, timeout=call.deadline, metadata=metadata)
        async for page in pages:
            for room, each in zip(page.rooms, page.rosters, strict=True):
                if each.HasField("error"):
                    error = each.error
                    code, reason = CODES[error.code], ErrorReason.Name(error.reason)
                    failed.append(Admitted(room.id, code=code, reason=reason, text=error.message))
                else:
                    lines.append(line(room.id, (one.raw_id for one in each.participants)))
        return Outcome(OK, value="\n".join(lines), results=tuple(failed))
