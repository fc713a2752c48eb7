"""LegacyRoomsService: rejected calls, and the requests sent before."""

from __future__ import annotations

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_COLLABORATOR, Participant
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ResourceInfo
from support.gateways import failure_of
from support.legacy_gateway import Legacy, participant
from support.samples import communication_user, user


@pytest.mark.proves("legacy-delete-room")
async def test_a_deleted_room_is_not_found(legacy: Legacy) -> None:
    room_id = await legacy.make(participant(1))
    await legacy.stub.DeleteRoom(pb.DeleteRoomRequest(room_id=room_id))
    participants = [participant(1)]
    roster = pb.Roster(participants=participants)
    for call in (
        legacy.stub.GetRoom(pb.GetRoomRequest(room_id=room_id)),
        legacy.stub.UpdateRoom(pb.UpdateRoomRequest(room_id=room_id, roster=roster)),
        legacy.stub.DeleteRoom(pb.DeleteRoomRequest(room_id=room_id)),
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=participants)
        ),
        legacy.stub.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=room_id, participants=participants)
        ),
        legacy.stub.RemoveParticipants(
            pb.RemoveParticipantsRequest(room_id=room_id, remove_raw_ids=[user(1)])
        ),
        legacy.stub.GetParticipants(pb.GetParticipantsRequest(room_id=room_id)),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "ERROR_REASON_ROOM_NOT_FOUND",
        )
        resource = failed.detail(ResourceInfo)
        assert resource is not None
        assert resource.resource_name == room_id


TWICE = [Participant(raw_id=user(1)), Participant(identifier=communication_user(user(1)))]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("CreateRoom", pb.CreateRoomRequest(participants=TWICE), "participants[1].identifier"),
        (
            "UpdateRoom",
            pb.UpdateRoomRequest(room_id="1", roster=pb.Roster(participants=TWICE)),
            "roster.participants[1].identifier",
        ),
        (
            "AddParticipants",
            pb.AddParticipantsRequest(room_id="1", participants=TWICE),
            "participants[1].identifier",
        ),
        (
            "UpdateParticipants",
            pb.UpdateParticipantsRequest(room_id="1", participants=TWICE),
            "participants[1].identifier",
        ),
        (
            "RemoveParticipants",
            pb.RemoveParticipantsRequest(room_id="1", remove_raw_ids=[user(1), user(1)]),
            "remove_raw_ids[1]",
        ),
        ("RemoveParticipants", pb.RemoveParticipantsRequest(room_id="1"), ""),
        ("AddParticipants", pb.AddParticipantsRequest(room_id="1"), "participants"),
        ("GetRoom", pb.GetRoomRequest(room_id="../rooms"), "room_id"),
        ("DeleteRoom", pb.DeleteRoomRequest(), "room_id"),
        ("CreateRoom", pb.CreateRoomRequest(request_id="no uuid"), "request_id"),
        ("CreateRoom", pb.CreateRoomRequest(valid_from=Timestamp(nanos=-1)), "valid_from"),
    ],
)
async def test_invalid_fields_are_rejected_unsent(
    legacy: Legacy, method: str, request_: Message, field: str
) -> None:
    failed = await failure_of(getattr(legacy.stub, method)(request_))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "ERROR_REASON_REQUEST_INVALID",
    )
    assert list(failed.violations) == [field]
    assert legacy.sent == []


@pytest.mark.parametrize("version", ["2024-04-15"])
async def test_an_unsupported_role_is_rejected_unsent(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make()
    participants = [participant(1, PARTICIPANT_ROLE_COLLABORATOR)]
    for call in (
        legacy.stub.CreateRoom(pb.CreateRoomRequest(participants=participants)),
        legacy.stub.UpdateRoom(
            pb.UpdateRoomRequest(room_id=room_id, roster=pb.Roster(participants=participants))
        ),
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=participants)
        ),
        legacy.stub.UpdateParticipants(
            pb.UpdateParticipantsRequest(room_id=room_id, participants=participants)
        ),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.UNIMPLEMENTED,
            "ERROR_REASON_API_VERSION_UNSUPPORTED",
        )
    assert legacy.sent == []


async def test_a_rejected_role_names_the_callers_field(
    legacy: Legacy,
) -> None:
    room_id = await legacy.make()
    participants = [participant(1), Participant(raw_id=user(2), unrecognized_role="Kafka")]
    added = await failure_of(
        legacy.stub.AddParticipants(
            pb.AddParticipantsRequest(room_id=room_id, participants=participants)
        )
    )
    assert list(added.violations) == ["participants[1].role"]
    updated = await failure_of(
        legacy.stub.UpdateRoom(
            pb.UpdateRoomRequest(room_id=room_id, roster=pb.Roster(participants=participants))
        )
    )
    assert list(updated.violations) == ["roster.participants[1].role"]
