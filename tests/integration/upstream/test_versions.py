from __future__ import annotations

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_COLLABORATOR,
    PARTICIPANT_ROLE_CONSUMER,
    ListParticipantsRequest,
    Participant,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    RoomFilter,
    UpdateRoomRequest,
)
from google.protobuf.message import Message
from support.gateways import ONE_OF_EACH, by_raw_id, collect, failure_of, gateway_for, send
from support.samples import user

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.upstream.versions import (
    API_VERSIONS,
    DEFAULT_API_VERSION,
    DEFAULT_IDENTITY_API_VERSION,
)

ID = "99400000000000000"
COLLABORATOR = Participant(raw_id=user(0), role=PARTICIPANT_ROLE_COLLABORATOR)
BY_NAME = Participant(raw_id=user(0), unrecognized_role="Collaborator")

NEEDS_DIAL_OUT: list[Message] = [
    CreateRoomRequest(pstn_dial_out_enabled=True),
    CreateRoomRequest(pstn_dial_out_enabled=False),
    UpdateRoomRequest(room_id=ID, pstn_dial_out_enabled=True),
    UpdateRoomRequest(room_id=ID, pstn_dial_out_enabled=False),
    ListRoomsRequest(filter=RoomFilter(pstn_dial_out_enabled=True)),
    ListRoomsRequest(filter=RoomFilter(pstn_dial_out_enabled=False)),
]
NEEDS_COLLABORATOR: list[Message] = [
    CreateRoomRequest(participants=[COLLABORATOR]),
    CreateRoomRequest(participants=[BY_NAME]),
    UpsertParticipantsRequest(
        room_id=ID,
        participants=[Participant(raw_id=user(1), role=PARTICIPANT_ROLE_CONSUMER), COLLABORATOR],
    ),
    UpsertParticipantsRequest(room_id=ID, participants=[BY_NAME]),
    UpdateParticipantsRequest(room_id=ID, participants=[COLLABORATOR], remove_raw_ids=[user(1)]),
]

TABLE = [
    ("2023-06-14", NEEDS_DIAL_OUT + NEEDS_COLLABORATOR),
    ("2023-10-30-preview", NEEDS_COLLABORATOR),
    ("2024-04-15", NEEDS_COLLABORATOR),
    ("2025-03-13", []),
]


def test_the_newest_stable_version_is_the_default() -> None:
    assert [name for name, _ in TABLE] == list(API_VERSIONS)
    assert max(API_VERSIONS) == DEFAULT_API_VERSION == "2025-03-13"


@pytest.mark.parametrize(("version", "unknown"), TABLE)
async def test_unsupported_features_are_rejected_unsent(
    emulator: Emulator, version: str, unknown: list[Message]
) -> None:
    async with gateway_for(emulator, api_version=version) as running:
        for request in unknown:
            failed = await failure_of(send(running, request))
            assert failed.code is grpc.StatusCode.UNIMPLEMENTED
            assert failed.reason == "ERROR_REASON_API_VERSION_UNSUPPORTED"
            assert failed.metadata == {"apiVersion": version, "attempts": "0"}
            assert version in failed.message
        assert running.requests() == 0


@pytest.mark.parametrize(("version", "unknown"), TABLE)
async def test_supported_features_are_sent(
    emulator: Emulator, version: str, unknown: list[Message]
) -> None:
    known = [request for request in NEEDS_DIAL_OUT + NEEDS_COLLABORATOR if request not in unknown]
    async with gateway_for(emulator, api_version=version) as running:
        for request in known:
            emulator.journal.clear()
            if "room_id" in {field.name for field, _ in request.ListFields()}:
                failed = await failure_of(send(running, request))
                assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
            else:
                await send(running, request)
            assert running.requests() == 1


@pytest.mark.parametrize("version", API_VERSIONS)
async def test_every_request_has_the_configured_version(emulator: Emulator, version: str) -> None:
    async with gateway_for(emulator, api_version=version) as running:
        for request in ONE_OF_EACH:
            emulator.faults.add(Fault(status=403))
            failed = await failure_of(send(running, request))
            if failed.reason != "ERROR_REASON_API_VERSION_UNSUPPORTED":
                identity = request.DESCRIPTOR.file.package == "acs.identity.v1"
                expected = DEFAULT_IDENTITY_API_VERSION if identity else version
                assert running.last().target.endswith(f"?api-version={expected}")
        emulator.faults.clear()
        emulator.store.seed(31)
        await collect(running.rooms.ListRooms(ListRoomsRequest()))
        assert running.last().target.endswith(f"&api-version={version}")
        assert running.last().target.count("api-version") == 1


@pytest.mark.parametrize("version", API_VERSIONS)
async def test_dial_out_is_set_if_the_version_has_it(emulator: Emulator, version: str) -> None:
    async with gateway_for(emulator, api_version=version) as running:
        created = (await running.rooms.CreateRoom(CreateRoomRequest())).room
        read = (await running.rooms.GetRoom(GetRoomRequest(room_id=created.id))).room
        (page,) = await collect(running.rooms.ListRooms(ListRoomsRequest()))
        for room in (created, read, *page.rooms):
            assert room.HasField("pstn_dial_out_enabled") == (version != "2023-06-14")


@pytest.mark.parametrize("version", API_VERSIONS)
async def test_every_version_lists_collaborators(emulator: Emulator, version: str) -> None:
    """The Rooms service stores roles independently of the api-version of a request."""
    async with gateway_for(emulator) as newest:
        created = await newest.rooms.CreateRoom(CreateRoomRequest(participants=[COLLABORATOR]))
    request = ListParticipantsRequest(room_id=created.room.id)
    async with gateway_for(emulator, api_version=version) as running:
        (page,) = await collect(running.participants.ListParticipants(request))
    assert by_raw_id([page]) == [COLLABORATOR]


async def test_a_retired_version_is_unimplemented(
    emulator: Emulator,
) -> None:
    body = '{"error":{"code":"UnsupportedApiVersion","message":"The HTTP resource … no more."}}'
    async with gateway_for(emulator) as running:
        emulator.faults.add(Fault(status=400, body=body))
        failed = await failure_of(send(running, GetRoomRequest(room_id=ID)))
    assert failed.code is grpc.StatusCode.UNIMPLEMENTED
    assert failed.reason == "ERROR_REASON_API_VERSION_UNSUPPORTED"
    assert "2025-03-13" in failed.message
    assert failed.metadata["attempts"] == "1"
