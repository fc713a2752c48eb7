from __future__ import annotations

import grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo, ResourceInfo
from running import Running, failure_of


async def test_a_room_that_was_created_can_be_read_again_the_same(running: Running) -> None:
    created = (await running.rooms.CreateRoom(CreateRoomRequest())).room
    read = (await running.rooms.GetRoom(GetRoomRequest(room_id=created.id))).room
    assert read == created


async def test_an_unknown_room_is_not_found_by_name(running: Running) -> None:
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id="99400000000000000")))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    resource = failed.detail(ResourceInfo)
    assert resource is not None
    assert resource.resource_name == "99400000000000000"
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.request_id
    assert request.serving_data
