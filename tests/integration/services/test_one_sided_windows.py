from __future__ import annotations

import json
from collections.abc import AsyncIterator

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, Room, UpdateRoomRequest
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, failure_of, gateway_for

from rooms_emulator import Emulator

HOUR = 3600


@pytest.fixture
async def room(running: Running) -> Room:
    return (await running.rooms.CreateRoom(CreateRoomRequest())).room


def later(time: Timestamp, seconds: int) -> Timestamp:
    return Timestamp(seconds=time.seconds + seconds, nanos=time.nanos)


@pytest.mark.proves("window-end")
async def test_a_new_end_keeps_the_start(running: Running, room: Room) -> None:
    """With all of its digits."""
    until = later(room.valid_until, -HOUR)
    request = UpdateRoomRequest(room_id=room.id, valid_until=until)
    updated = (await running.rooms.UpdateRoom(request)).room
    assert (updated.valid_from, updated.valid_until) == (room.valid_from, until)


@pytest.mark.proves("window-start")
async def test_a_new_start_keeps_the_end(running: Running, room: Room) -> None:
    """With all of its digits."""
    begin = later(room.valid_from, HOUR)
    request = UpdateRoomRequest(room_id=room.id, valid_from=begin)
    updated = (await running.rooms.UpdateRoom(request)).room
    assert (updated.valid_from, updated.valid_until) == (begin, room.valid_until)


async def test_a_complete_window_is_not_read_first(running: Running, room: Room) -> None:
    """Nor is an update without a window."""
    both = UpdateRoomRequest(
        room_id=room.id, valid_from=room.valid_from, valid_until=room.valid_until
    )
    neither = UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=True)
    await running.rooms.UpdateRoom(both)
    await running.rooms.UpdateRoom(neither)
    assert running.requests("GetRoom") == 0


async def test_the_upstream_rejects_a_long_window(running: Running, room: Room) -> None:
    request = UpdateRoomRequest(
        room_id=room.id, valid_until=later(room.valid_until, 400 * 24 * HOUR)
    )
    failed = await failure_of(running.rooms.UpdateRoom(request))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert set(failed.violations) == {"valid_until"}


async def test_an_unknown_room_is_not_updated(running: Running) -> None:
    request = UpdateRoomRequest(room_id="99400000000000000", valid_until=Timestamp(seconds=1))
    failed = await failure_of(running.rooms.UpdateRoom(request))
    assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
    assert running.requests("UpdateRoom") == 0


@pytest.fixture
async def strict(emulator: Emulator) -> AsyncIterator[Running]:
    async with gateway_for(emulator, complete_windows=False) as running:
        yield running


async def test_complete_windows_off_sends_one_end(
    strict: Running,
) -> None:
    """The upstream rejects it."""
    room = (await strict.rooms.CreateRoom(CreateRoomRequest())).room
    until = later(room.valid_until, -HOUR)
    request = UpdateRoomRequest(room_id=room.id, valid_until=until)
    failed = await failure_of(strict.rooms.UpdateRoom(request))
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert strict.requests("GetRoom") == 0
    sent = [entry for entry in strict.emulator.journal if entry.operation == "UpdateRoom"]
    assert list(json.loads(sent[0].body)) == ["validUntil"]
