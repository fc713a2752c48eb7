"""LegacyRoomsService: when it is there, and what is there beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.legacy.v1.legacy_rooms_pb2_grpc import LegacyRoomsServiceStub
from acs.rooms.v1 import participants_pb2, rooms_pb2
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from legacy import FROM, NATIVE, SERVICE, UNTIL, Legacy, person
from lifecycle import SERVING, status_of
from running import Running, failure_of, gateway_before

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings
from rooms_gateway.upstream.versions import LEGACY_API_VERSION

if TYPE_CHECKING:
    from acs.rooms.legacy.v1.legacy_rooms_pb2_grpc import LegacyRoomsServiceAsyncStub


@pytest.mark.parametrize("version", [NATIVE])
async def test_the_services_of_today_are_unimplemented_on_the_preview_s_version(
    legacy: Legacy,
) -> None:
    rooms, participants = legacy.running.rooms, legacy.running.participants
    people = [person(1)]
    for call in (
        rooms.CreateRoom(rooms_pb2.CreateRoomRequest()),
        rooms.GetRoom(rooms_pb2.GetRoomRequest(room_id="1", include_participants=True)),
        rooms.UpdateRoom(
            rooms_pb2.UpdateRoomRequest(room_id="1", valid_from=FROM, valid_until=UNTIL)
        ),
        rooms.UpdateRoom(rooms_pb2.UpdateRoomRequest(room_id="1", valid_from=FROM)),
        rooms.DeleteRoom(rooms_pb2.DeleteRoomRequest(room_id="1", validate_only=True)),
        rooms.ListRooms(rooms_pb2.ListRoomsRequest()).read(),
        participants.UpsertParticipants(
            participants_pb2.UpsertParticipantsRequest(room_id="1", participants=people)
        ),
        participants.RemoveParticipants(
            participants_pb2.RemoveParticipantsRequest(room_id="1", raw_ids=["1"])
        ),
        participants.UpdateParticipants(
            participants_pb2.UpdateParticipantsRequest(room_id="1", upsert=people)
        ),
        participants.ListParticipants(participants_pb2.ListParticipantsRequest(room_id="1")).read(),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.UNIMPLEMENTED,
            "API_VERSION_UNSUPPORTED",
        )
        assert "run the gateway with a stable version" in failed.message
    assert legacy.sent == []


async def services(running: Running) -> set[str]:
    """Ask by reflection what there is."""
    ask = ServerReflectionRequest(list_services="*")
    connect: Callable[..., Any] = ServerReflectionStub
    stub = connect(running.channel)
    async for answer in stub.ServerReflectionInfo(iter([ask])):
        return {service.name for service in answer.list_services_response.service}
    return set()


async def test_it_is_off_by_default_and_then_neither_served_nor_listed(running: Running) -> None:
    stub = LegacyRoomsServiceStub(running.channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.CreateRoom(pb.CreateRoomRequest())
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await status_of(running.channel, SERVICE)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    assert SERVICE not in await services(running)
    assert running.requests() == 0


async def test_it_is_listed_and_healthy_when_it_is_switched_on(legacy: Legacy) -> None:
    assert await status_of(legacy.running.channel, SERVICE) == SERVING
    assert SERVICE in await services(legacy.running)


async def test_a_start_with_it_warns_once_that_it_is_deprecated(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    for legacy in (True, False):
        caplog.clear()
        async with gateway_before(emulator, enable_legacy=legacy):
            pass
        said = [record.getMessage() for record in caplog.records if SERVICE in record.getMessage()]
        assert [("deprecated" in text) for text in said] == [True] * legacy


async def test_a_gateway_with_an_emulator_of_its_own_speaks_the_preview_s_version_to_it() -> None:
    settings = Settings(
        upstream=None, api_version=LEGACY_API_VERSION, enable_legacy=True, listen=("127.0.0.1:0",)
    )
    async with (
        Gateway(settings) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        stub: LegacyRoomsServiceAsyncStub = LegacyRoomsServiceStub(channel)
        assert (await stub.CreateRoom(pb.CreateRoomRequest())).room.id
