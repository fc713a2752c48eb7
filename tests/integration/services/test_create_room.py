"""CreateRoom: the request sent, the room created, and idempotency."""

from __future__ import annotations

import asyncio
import uuid

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    PARTICIPANT_ROLE_ATTENDEE,
    PARTICIPANT_ROLE_COLLABORATOR,
    PARTICIPANT_ROLE_CONSUMER,
    PARTICIPANT_ROLE_PRESENTER,
    ListParticipantsRequest,
    Participant,
)
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, by_raw_id, collect, failure_of
from support.rosters import create, get, moment, ticks_of
from support.samples import INVALID, user

from rooms_emulator.faults.model import Fault
from rooms_emulator.timestamps import TICKS_PER_DAY


async def test_an_empty_create_uses_upstream_defaults(
    running: Running,
) -> None:
    running.emulator.clock.freeze()
    room = await create(running)
    assert running.sent() == {}
    assert ticks_of(room.valid_from) == running.emulator.clock.now()
    assert ticks_of(room.valid_until) - ticks_of(room.valid_from) == 180 * TICKS_PER_DAY
    assert ticks_of(room.created_at) >= ticks_of(room.valid_from)
    assert room.HasField("pstn_dial_out_enabled")
    assert not room.pstn_dial_out_enabled
    assert room.id.startswith("994")


async def test_every_field_of_a_create_is_sent(running: Running) -> None:
    start, end = moment(running.emulator, 1, 123_456_700), moment(running.emulator, 30, 7_000_000)
    room = await create(running, valid_from=start, valid_until=end, pstn_dial_out_enabled=True)
    assert (room.valid_from, room.valid_until) == (start, end)
    assert room.pstn_dial_out_enabled
    assert set(running.sent()) == {"validFrom", "validUntil", "pstnDialOutEnabled"}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {}),
        ({"pstn_dial_out_enabled": False}, {"pstnDialOutEnabled": False}),
        ({"pstn_dial_out_enabled": True}, {"pstnDialOutEnabled": True}),
    ],
    ids=["unset", "false", "true"],
)
async def test_a_create_sends_dial_out_only_if_set(
    running: Running, fields: dict[str, bool], sent: dict[str, bool]
) -> None:
    await create(running, **fields)
    assert running.sent() == sent


@pytest.mark.parametrize(
    ("end", "sent"), [("valid_from", "validFrom"), ("valid_until", "validUntil")]
)
async def test_a_one_sided_window_is_sent_as_given(running: Running, end: str, sent: str) -> None:
    """The upstream chooses the default of the other end."""
    running.emulator.clock.freeze()
    now = running.emulator.clock.now()
    given = moment(running.emulator, 3)
    room = await create(running, **{end: given})
    assert list(running.sent()) == [sent]
    assert getattr(room, end) == given
    other = ticks_of(room.valid_until if end == "valid_from" else room.valid_from)
    assert other == (now + 180 * TICKS_PER_DAY if end == "valid_from" else now)


@pytest.mark.parametrize(
    ("nanos", "sent", "kept"),
    [
        (0, "Z", 0),
        (500_000_000, ".5Z", 500_000_000),
        (123_456_700, ".1234567Z", 123_456_700),
        (100, ".0000001Z", 100),
        (123_456_789, ".123456789Z", 123_456_700),
        (1, ".000000001Z", 0),
        (999_999_999, ".999999999Z", 999_999_900),
    ],
)
async def test_times_are_sent_with_nanoseconds(
    running: Running, nanos: int, sent: str, kept: int
) -> None:
    """The Rooms service keeps units of 100 ns."""
    given = moment(running.emulator, 10, nanos)
    room = await create(running, valid_until=given)
    whole = Timestamp(seconds=given.seconds).ToJsonString()
    assert running.sent() == {"validUntil": whole.removesuffix("Z") + sent}
    assert room.valid_until == Timestamp(seconds=given.seconds, nanos=kept)


@pytest.mark.parametrize("count", [0, 1, 350])
async def test_a_create_keeps_the_order_of_the_roster(running: Running, count: int) -> None:
    roles = (
        PARTICIPANT_ROLE_PRESENTER,
        PARTICIPANT_ROLE_ATTENDEE,
        PARTICIPANT_ROLE_CONSUMER,
        PARTICIPANT_ROLE_COLLABORATOR,
    )
    participants = [Participant(raw_id=user(n), role=roles[n % len(roles)]) for n in range(count)]
    room = await create(running, participants=participants)
    pages = await collect(
        running.participants.ListParticipants(ListParticipantsRequest(room_id=room.id))
    )
    assert by_raw_id(pages) == participants


async def test_351_participants_are_rejected_unsent(
    running: Running,
) -> None:
    participants = [Participant(raw_id=user(n)) for n in range(351)]
    failed = await failure_of(create(running, participants=participants))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == ["participants"]
    assert running.requests() == 0


async def test_each_create_gets_a_new_repeatability_id(
    running: Running,
) -> None:
    """Without a `request_id`, it is a random UUID."""
    await create(running)
    first = uuid.UUID(running.last().headers["Repeatability-Request-ID"])
    await create(running)
    assert uuid.UUID(running.last().headers["Repeatability-Request-ID"]) != first
    assert running.last().headers["Repeatability-First-Sent"]
    assert len(running.emulator.store) == 2


async def test_create_is_idempotent_by_request_id(running: Running) -> None:
    request_id = str(uuid.uuid4())
    rooms = [await create(running, request_id=request_id) for _ in range(3)]
    assert rooms[0] == rooms[1] == rooms[2]
    assert len(running.emulator.store) == 1
    assert running.last().headers["Repeatability-Request-ID"] == request_id


async def test_concurrent_creates_by_id_make_one_room(running: Running) -> None:
    request_id = str(uuid.uuid4())
    rooms = await asyncio.gather(*(create(running, request_id=request_id) for _ in range(20)))
    assert {room.id for room in rooms} == {rooms[0].id}
    assert len(running.emulator.store) == 1


async def test_a_create_with_a_lost_response_is_retried(
    running: Running,
) -> None:
    """It creates one room."""
    running.emulator.faults.add(Fault(operation="CreateRoom", drop="after"))
    room = await create(running)
    assert running.requests("CreateRoom") == 2
    assert len(running.emulator.store) == 1
    ids = {entry.headers["Repeatability-Request-ID"] for entry in running.emulator.journal}
    assert len(ids) == 1
    assert await get(running, room.id) == room


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({"valid_until": -1.0}, ["valid_until"]),
        ({"valid_from": -2.0, "valid_until": -1.0}, ["valid_until"]),
        ({"valid_from": 2.0, "valid_until": 1.0}, ["valid_until"]),
        ({"valid_from": 0.0, "valid_until": 181.0}, ["valid_until"]),
        ({"valid_from": 181.0}, ["valid_from"]),
        ({"valid_from": 181.0, "valid_until": 1.0}, ["valid_from", "valid_until"]),
    ],
)
async def test_a_rejected_window_names_the_fields(
    running: Running, fields: dict[str, float], violations: list[str]
) -> None:
    window = {name: moment(running.emulator, days) for name, days in fields.items()}
    failed = await failure_of(create(running, **window))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert list(failed.violations) == violations
    assert all(failed.violations.values())
    assert len(running.emulator.store) == 0


async def test_a_rejected_identifier_creates_no_room(
    running: Running,
) -> None:
    failed = await failure_of(create(running, participants=[Participant(raw_id="wrong_mri")]))
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert failed.metadata["upstreamErrorCode"] == "BadRequest"
    assert len(running.emulator.store) == 0
