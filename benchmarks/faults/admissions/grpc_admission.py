"""An admission over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.participants_pb2 import ParticipantRole
from google.protobuf.empty_pb2 import Empty

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent, user_of
from benchmarks.faults.calls import Call, Guest, Kind
from benchmarks.faults.verdicts import Admitted

if TYPE_CHECKING:
    from acs.rooms.v1.join_service_pb2_grpc import JoinServiceAsyncStub

_PREFIX = "PARTICIPANT_ROLE_"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


async def admit(join: JoinServiceAsyncStub, call: Call) -> tuple[str, tuple[Admitted, ...]]:
    """Make the call, and return the room and the results; none if their order is wrong."""
    guests = [_to_proto(guest, str(number)) for number, guest in enumerate(call.guests)]
    context = ((TRACEPARENT, traceparent(call.trace)),)
    response: pb.AdmitParticipantsResponse | pb.CreateRoomWithGuestsResponse
    if call.kind is Kind.CREATE_WITH_GUESTS:
        create = pb.CreateRoomWithGuestsRequest(request_id=call.request_id, guests=guests)
        response = await join.CreateRoomWithGuests(create, timeout=call.deadline, metadata=context)
    else:
        request = pb.AdmitParticipantsRequest(room_id=call.room, guests=guests)
        response = await join.AdmitParticipants(request, timeout=call.deadline, metadata=context)
    if [each.label for each in response.results] != [each.label for each in guests]:
        return response.room.id, ()
    return response.room.id, tuple(map(_from_proto, response.results))


def _to_proto(guest: Guest, label: str) -> pb.Guest:
    role = "UNSPECIFIED" if guest.keep else guest.role.upper()
    message = pb.Guest(role=ParticipantRole.Value(f"{_PREFIX}{role}"), label=label)
    if guest.raw_id:
        message.raw_id = guest.raw_id
    else:
        message.new_user.CopyFrom(Empty())
    return message


def _from_proto(result: pb.AdmittedGuest) -> Admitted:
    raw_id, role = result.participant.raw_id, ""
    if raw_id:
        role = ParticipantRole.Name(result.participant.role).removeprefix(_PREFIX).capitalize()
    if result.HasField("access_token"):
        return Admitted(raw_id, role, user_of(result.access_token.token))
    error = result.error
    reason = ErrorReason.Name(error.reason)
    return Admitted(raw_id, role, "", _CODES[error.code], reason, error.message)
