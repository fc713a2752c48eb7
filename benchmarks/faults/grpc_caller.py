"""Calls over gRPC, for either gateway."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import grpc
from acs.rooms.v1 import (
    join_service_pb2_grpc,
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from benchmarks.faults.admissions.grpc_admission import admit
from benchmarks.faults.calls import ADMISSIONS, JOBS, PHONE, Call, Kind
from benchmarks.faults.jobs.grpc_job import GrpcJobs
from benchmarks.faults.lateness import Lateness
from benchmarks.faults.verdicts import OK, Outcome


class GrpcCaller:
    """Makes calls on one channel."""

    def __init__(self, channel: grpc.aio.Channel, lateness: Lateness | None = None) -> None:
        self._rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        self._participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)
        self._join = join_service_pb2_grpc.JoinServiceStub(channel)
        self._jobs = GrpcJobs(self._rooms, self._participants)
        self.lateness = lateness or Lateness()

    async def __call__(self, call: Call) -> Outcome:
        """Make one call, and return its outcome."""
        begun = time.monotonic()
        try:
            if call.kind in JOBS:
                outcome = await self._jobs.make(call)
            elif call.kind in ADMISSIONS:
                value, results = await admit(self._join, call)
                outcome = Outcome(OK, value=value, results=results)
            else:
                outcome = Outcome(OK, value=await self._send_with_cancel(call))
        except TimeoutError:
            outcome = Outcome("CANCELLED")
        except grpc.aio.AioRpcError as error:
            text, reason = error_text(error)
            outcome = Outcome(error.code().name, reason, text)
        seconds = time.monotonic() - begun
        late = self.lateness.overdue(begun, call.deadline)
        return replace(outcome, seconds=seconds, overdue=late)

    async def _send_with_cancel(self, call: Call) -> str:
        async with asyncio.timeout(call.cancel or None):
            return await self._send(call)

    async def _send(self, call: Call) -> str:
        timeout, room = call.deadline, call.room
        match call.kind:
            case Kind.CREATE:
                participants = [_attendee(call.raw_id)]
                # Retries of the channel need the same request id to be idempotent.
                request_id = str(uuid.uuid5(uuid.NAMESPACE_OID, call.raw_id))
                request = rooms_pb2.CreateRoomRequest(
                    participants=participants, request_id=request_id
                )
                return (await self._rooms.CreateRoom(request, timeout=timeout)).room.id
            case Kind.GET:
                get = rooms_pb2.GetRoomRequest(room_id=room)
                return (await self._rooms.GetRoom(get, timeout=timeout)).room.id
            case Kind.UPDATE:
                update = rooms_pb2.UpdateRoomRequest(room_id=room, pstn_dial_out_enabled=True)
                return (await self._rooms.UpdateRoom(update, timeout=timeout)).room.id
            case Kind.DELETE:
                delete = rooms_pb2.DeleteRoomRequest(room_id=room)
                await self._rooms.DeleteRoom(delete, timeout=timeout)
            case Kind.ADD | Kind.REJECTED:
                raw_id = PHONE if call.kind is Kind.REJECTED else call.raw_id
                add = participants_pb2.UpsertParticipantsRequest(
                    room_id=room, participants=[_attendee(raw_id)]
                )
                await self._participants.UpsertParticipants(add, timeout=timeout)
            case Kind.REMOVE:
                remove = participants_pb2.RemoveParticipantsRequest(
                    room_id=room, remove_raw_ids=[call.raw_id]
                )
                await self._participants.RemoveParticipants(remove, timeout=timeout)
            case Kind.LIST:
                roster = participants_pb2.ListParticipantsRequest(room_id=room)
                pages = self._participants.ListParticipants(roster, timeout=timeout)
                return " ".join([each.raw_id async for page in pages for each in page.participants])
            case Kind.LIST_ROOMS:
                rooms = self._rooms.ListRooms(rooms_pb2.ListRoomsRequest(), timeout=timeout)
                ids: list[str] = []
                async for page in rooms:
                    ids += (one.id for one in page.rooms)
                    await asyncio.sleep(call.pause)
                return " ".join(ids)
        return room


def _attendee(raw_id: str) -> participants_pb2.Participant:
    return participants_pb2.Participant(
        raw_id=raw_id, role=participants_pb2.PARTICIPANT_ROLE_ATTENDEE
    )


def error_text(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """Return all text that a failed call carries, and its reason."""
    trailers: Iterable[tuple[str, Any]] = cast("Any", error.trailing_metadata() or ())
    text, info = f"{error.details()} {error.debug_error_string()}", ErrorInfo()
    for key, value in trailers:
        text += f" {key}={value!r}"
        if key == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                text += f" {detail.value!r}"
                detail.Unpack(info)
    return text, info.reason
