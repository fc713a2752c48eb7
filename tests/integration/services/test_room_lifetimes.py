"""The window of a room that is created without an end, and the settings that a dry run names."""

from __future__ import annotations

from typing import Any

import pytest
from acs.rooms.v1 import join_pb2, participants_pb2
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_CONSUMER, Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, UpdateRoomRequest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import A_UUID, Running, failure_of, gateway_for
from support.room_creates import CREATES, call, create_request, sent_window
from support.rosters import create, moment, presenter, ticks_of
from support.samples import REJECTED, user

from rooms_emulator import Emulator
from rooms_emulator.timestamps import TICKS_PER_SECOND

DAY = 86_400
BARE, NAMED, GUEST = Participant(raw_id=user(1)), presenter(user(2)), user(3)

LIFETIMES: dict[str, tuple[dict[str, Any], float]] = {
    "a default": ({"default_room_lifetime": 3600.5}, 3600.5),
    "a bound": ({"max_room_lifetime": 1800}, 1800),
    "a default below a bound": (
        {"default_room_lifetime": 60, "max_room_lifetime": 1800},
        60,
    ),
    "a default at the bound": (
        {"default_room_lifetime": 1800, "max_room_lifetime": 1800},
        1800,
    ),
}


@pytest.mark.parametrize("case", LIFETIMES)
@pytest.mark.parametrize("name", CREATES)
async def test_a_missing_end_becomes_the_default(emulator: Emulator, name: str, case: str) -> None:
    """Counted from the start, to the tick, or from now; a window that is given stays."""
    given_settings, lifetime = LIFETIMES[case]
    async with gateway_for(emulator, enable_legacy=True, **given_settings) as running:
        start = moment(emulator, 1, 123_456_700)
        await call(running, name, create_request(name, valid_from=start))
        assert sent_window(running) == (
            ticks_of(start),
            ticks_of(start) + round(lifetime * TICKS_PER_SECOND),
        )
        before = emulator.clock.now()
        await call(running, name, create_request(name))
        sent_from, sent_until = sent_window(running)
        assert sent_from is None
        assert sent_until is not None
        left = sent_until - before - round(lifetime * TICKS_PER_SECOND)
        assert -1 <= left <= emulator.clock.now() - before
        end = Timestamp(seconds=start.seconds + 30, nanos=start.nanos)
        await call(running, name, create_request(name, valid_from=start, valid_until=end))
        assert sent_window(running) == (ticks_of(start), ticks_of(end))


async def test_without_settings_the_service_decides(running: Running) -> None:
    await create(running)
    assert running.sent() == {}


async def test_a_start_beyond_all_ends_is_rejected(emulator: Emulator) -> None:
    """The end that is derived from it stays in the range of Timestamp."""
    async with gateway_for(emulator, default_room_lifetime=30.0 * DAY) as running:
        last = Timestamp(seconds=253_402_300_799, nanos=999_999_999)
        failed = await failure_of(create(running, valid_from=last))
        assert (failed.code, failed.reason) == REJECTED
        assert "valid_from" in failed.violations


async def test_a_repeated_create_returns_the_room(emulator: Emulator) -> None:
    """Although the end that is counted from now has moved."""
    async with gateway_for(emulator, default_room_lifetime=60.0) as running:
        rooms = []
        for _ in range(3):
            rooms.append(await create(running, request_id=A_UUID))
            emulator.clock.advance(1)
        assert rooms[0] == rooms[1] == rooms[2]
        assert len(emulator.store) == 1


DRY_RUNS: dict[str, tuple[dict[str, Any], Message, list[str]]] = {
    "nothing is set": ({}, CreateRoomRequest(participants=[BARE]), []),
    "nothing is missing": (
        {"default_role": "consumer", "default_room_lifetime": 60.0},
        CreateRoomRequest(participants=[NAMED], valid_until=Timestamp(seconds=4_102_444_800)),
        [],
    ),
    "both defaults": (
        {"default_role": "collaborator", "default_room_lifetime": 90 * 60.0},
        CreateRoomRequest(participants=[BARE]),
        ["default-role=collaborator", "default-room-lifetime=5400"],
    ),
    "the bound is the default": (
        {"max_room_lifetime": 30.0 * DAY},
        CreateRoomRequest(),
        ["max-room-lifetime=2592000"],
    ),
    "the default is before the bound": (
        {"max_room_lifetime": 30.0 * DAY, "default_room_lifetime": 0.5},
        CreateRoomRequest(),
        ["default-room-lifetime=0.5"],
    ),
    "180 days from now are the service's": (
        {"max_room_lifetime": 180.0 * DAY},
        CreateRoomRequest(),
        [],
    ),
    "180 days from a start": (
        {"max_room_lifetime": 180.0 * DAY},
        CreateRoomRequest(valid_from=Timestamp(seconds=4_102_444_800)),
        ["max-room-lifetime=15552000"],
    ),
    "an update has no default": (
        {"max_room_lifetime": 60.0, "default_room_lifetime": 60.0, "default_role": "consumer"},
        UpdateRoomRequest(room_id="1", valid_until=Timestamp(seconds=4_102_444_800)),
        [],
    ),
    "a guest with a role": (
        {"default_role": "consumer"},
        join_pb2.AdmitParticipantsRequest(
            room_id="1", guests=[join_pb2.Guest(raw_id=GUEST, role=PARTICIPANT_ROLE_CONSUMER)]
        ),
        [],
    ),
    "a lifetime, and a guest": (
        {"max_room_lifetime": 60.0},
        join_pb2.AdmitParticipantsRequest(room_id="1", guests=[join_pb2.Guest(raw_id=GUEST)]),
        [],
    ),
    "a removal": (
        {"default_role": "consumer"},
        participants_pb2.UpdateParticipantsRequest(room_id="1", remove_raw_ids=[user(1)]),
        [],
    ),
}


@pytest.mark.parametrize("case", DRY_RUNS)
async def test_a_dry_run_names_the_applied_settings(emulator: Emulator, case: str) -> None:
    given_settings, request, expected = DRY_RUNS[case]
    request.dry_run.SetInParent()  # type: ignore[attr-defined] # every one has it
    name = f"{type(request).__name__.removesuffix('Request')}"
    async with gateway_for(emulator, **given_settings) as running:
        stub = {
            "CreateRoom": running.rooms,
            "UpdateRoom": running.rooms,
            "AdmitParticipants": running.join,
            "UpdateParticipants": running.participants,
        }[name]
        response = await getattr(stub, name)(request)
        assert running.requests() == 0
    assert list(response.rest_request.applied_settings) == expected
