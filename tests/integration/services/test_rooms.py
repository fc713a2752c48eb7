"""GetRoom, UpdateRoom and DeleteRoom."""

from __future__ import annotations

import json

import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.rooms_pb2 import (
    DeleteRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    Room,
    UpdateRoomRequest,
)
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import RequestInfo, ResourceInfo
from support.gateways import UNKNOWN_ROOM, Running, collect, failure_of
from support.rosters import create, get, moment
from support.samples import INVALID, NOT_FOUND, REJECTED

from rooms_emulator.faults.model import Fault


async def test_get_returns_the_created_room(running: Running) -> None:
    created = await create(running)
    assert await get(running, created.id) == created


@pytest.mark.parametrize("enabled", [False, True])
async def test_updating_dial_out_changes_nothing_else(running: Running, *, enabled: bool) -> None:
    room = await create(running, pstn_dial_out_enabled=not enabled)
    request = UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=enabled)
    response = await running.rooms.UpdateRoom(request)
    assert running.sent() == {"pstnDialOutEnabled": enabled}
    room.pstn_dial_out_enabled = enabled
    assert response.room == room
    assert await get(running, room.id) == room


async def test_updating_the_window_keeps_dial_out(
    running: Running,
) -> None:
    before = await create(running, pstn_dial_out_enabled=True)
    start, end = moment(running.emulator, 2, 900), moment(running.emulator, 4, 999_999_999)
    request = UpdateRoomRequest(room_id=before.id, valid_from=start, valid_until=end)
    after = (await running.rooms.UpdateRoom(request)).room
    assert set(running.sent()) == {"validFrom", "validUntil"}
    assert after.pstn_dial_out_enabled
    assert after.created_at == before.created_at
    assert after.valid_from == start
    assert after.valid_until == Timestamp(seconds=end.seconds, nanos=999_999_900)


async def test_content_types_of_create_and_update(running: Running) -> None:
    room = await create(running)
    assert running.last().headers["Content-Type"] == "application/json"
    await running.rooms.UpdateRoom(UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=True))
    assert running.last().headers["Content-Type"] == "application/merge-patch+json"


@pytest.mark.parametrize(
    ("days", "violations"),
    [
        ((-2, -1), ["valid_until"]),
        ((0, 181), ["valid_until"]),
        ((2, 1), ["valid_until"]),
        ((181, 2), ["valid_from", "valid_until"]),
    ],
)
async def test_a_rejected_window_names_the_fields(
    running: Running, days: tuple[float, float], violations: list[str]
) -> None:
    room = await create(running)
    start, end = (moment(running.emulator, day) for day in days)
    request = UpdateRoomRequest(room_id=room.id, valid_from=start, valid_until=end)
    failed = await failure_of(running.rooms.UpdateRoom(request))
    assert (failed.code, failed.reason) == REJECTED
    assert list(failed.violations) == violations
    assert await get(running, room.id) == room


async def test_an_empty_update_is_rejected_unsent(
    running: Running,
) -> None:
    failed = await failure_of(running.rooms.UpdateRoom(UpdateRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == [""]
    assert running.requests() == 0


async def test_a_deleted_room_is_not_found_or_listed(
    running: Running,
) -> None:
    room, other = await create(running), await create(running)
    await running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room.id))
    update = UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=True)
    for call in (
        running.rooms.GetRoom(GetRoomRequest(room_id=room.id)),
        running.rooms.UpdateRoom(update),
        running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room.id)),
    ):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == NOT_FOUND
    pages = await collect(running.rooms.ListRooms(ListRoomsRequest()))
    assert [listed for page in pages for listed in page.rooms] == [other]


async def test_a_delete_succeeds_if_its_retry_gets_404(
    running: Running,
) -> None:
    """The response to the first attempt was lost."""
    room = await create(running)
    running.emulator.faults.add(Fault(operation="DeleteRoom", drop="after"))
    await running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room.id))
    statuses = [e.status for e in running.emulator.journal if e.operation == "DeleteRoom"]
    assert statuses == [None, 404]


async def test_allow_missing_accepts_a_missing_room(running: Running) -> None:
    room = await create(running)
    delete = DeleteRoomRequest(room_id=room.id, allow_missing=True)
    await running.rooms.DeleteRoom(delete)
    await running.rooms.DeleteRoom(delete)
    assert [entry.status for entry in running.emulator.journal][-2:] == [204, 404]


@pytest.mark.parametrize("status", [403, 404])
async def test_allow_missing_accepts_no_other_response(running: Running, status: int) -> None:
    """In particular no 404 of a proxy, which has no error code of the Rooms service."""
    running.emulator.faults.add(
        Fault(operation="DeleteRoom", status=status, body="<html>", headers={"x-ms-error-code": ""})
    )
    delete = DeleteRoomRequest(room_id=UNKNOWN_ROOM, allow_missing=True)
    failed = await failure_of(running.rooms.DeleteRoom(delete))
    assert failed.metadata["httpStatus"] == str(status)


async def test_allow_missing_in_a_dry_run_sends_nothing(running: Running) -> None:
    delete = DeleteRoomRequest(room_id=UNKNOWN_ROOM, allow_missing=True, dry_run=DryRun())
    assert (await running.rooms.DeleteRoom(delete)).rest_request.http_method == "DELETE"
    assert running.requests() == 0


async def test_an_unknown_room_is_named_in_the_status(running: Running) -> None:
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == NOT_FOUND
    resource = failed.detail(ResourceInfo)
    assert resource is not None
    assert resource.resource_name == UNKNOWN_ROOM
    assert resource.resource_type == "acs.rooms.v1.Room"
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.request_id
    assert request.serving_data


@pytest.mark.parametrize("room_id", ["123", "f-1234567890", "NotExistingRoomID"])
async def test_the_upstream_rejects_malformed_room_ids(running: Running, room_id: str) -> None:
    """The gateway does not know the length and the digits of a valid id."""
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=room_id)))
    assert (failed.code, failed.reason) == REJECTED
    assert running.requests() == 1


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("2025-03-06T00:20:03.4401806+00:00", 1_741_220_403, 440_180_600),
        ("2025-03-06T00:20:03.44018+00:00", 1_741_220_403, 440_180_000),
        ("2025-03-06T00:20:03+00:00", 1_741_220_403, 0),
        ("2025-03-06T00:20:03Z", 1_741_220_403, 0),
        ("2025-03-06T01:20:03.1+01:00", 1_741_220_403, 100_000_000),
        ("2025-03-05T18:50:03.0000001-05:30", 1_741_220_403, 100),
        ("2025-03-06T00:20:03.123456789123Z", 1_741_220_403, 123_456_789),
    ],
)
async def test_upstream_times_keep_their_precision(
    running: Running, text: str, seconds: int, nanos: int
) -> None:
    running.emulator.faults.add(Fault(operation="GetRoom", status=200, body=_room(createdAt=text)))
    assert (await get(running, "1")).created_at == Timestamp(seconds=seconds, nanos=nanos)


async def test_missing_and_null_members_stay_unset(running: Running) -> None:
    for body in ('{"id":"1"}', _room(createdAt=None, pstnDialOutEnabled=None, novelty=[1])):
        running.emulator.faults.add(Fault(operation="GetRoom", status=200, body=body))
        assert await get(running, "1") == Room(id="1")


def _room(**members: object) -> str:
    return json.dumps({"id": "1", **members})
