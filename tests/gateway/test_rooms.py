from __future__ import annotations

import asyncio
import json
import uuid

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import (
    ROLE_ATTENDEE,
    ROLE_COLLABORATOR,
    ROLE_CONSUMER,
    ROLE_PRESENTER,
    ListParticipantsRequest,
    Participant,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    DeleteRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
    Room,
    UpdateRoomRequest,
)
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import RequestInfo, ResourceInfo
from running import Running, by_raw_id, collect, failure_of, user

from gateway.emulator import Emulator
from gateway.emulator.faults import Fault
from gateway.emulator.timestamps import TICKS_PER_DAY, TICKS_PER_SECOND

UNKNOWN_ROOM = "99400000000000000"


def moment(emulator: Emulator, days: float, nanos: int = 0) -> Timestamp:
    """Return the whole second that is `days` from the emulator's now, plus `nanos`."""
    ticks = emulator.clock.now() + round(days * TICKS_PER_DAY)
    return Timestamp(seconds=ticks // TICKS_PER_SECOND, nanos=nanos)


def ticks_of(time: Timestamp) -> int:
    """Return a time in units of 100 ns, which it must be whole in."""
    ticks, rest = divmod(time.ToNanoseconds(), 100)
    assert rest == 0
    return ticks


async def create(running: Running, **fields: object) -> Room:
    return (await running.rooms.CreateRoom(CreateRoomRequest(**fields))).room  # type: ignore[arg-type] # any of them


async def get(running: Running, room_id: str) -> Room:
    return (await running.rooms.GetRoom(GetRoomRequest(room_id=room_id))).room


async def test_a_room_that_was_created_can_be_read_again_the_same(running: Running) -> None:
    created = await create(running)
    assert await get(running, created.id) == created


async def test_an_empty_create_sends_an_empty_object_and_takes_the_services_defaults(
    running: Running,
) -> None:
    running.emulator.clock.freeze()
    room = await create(running)
    assert running.sent() == {}
    assert ticks_of(room.valid_from) == running.emulator.clock.now()
    assert ticks_of(room.valid_until) - ticks_of(room.valid_from) == 180 * TICKS_PER_DAY
    assert ticks_of(room.created_at) > ticks_of(room.valid_from)
    assert room.HasField("pstn_dial_out_enabled")
    assert not room.pstn_dial_out_enabled
    assert room.id.startswith("994")


async def test_every_field_of_a_create_reaches_the_room(running: Running) -> None:
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
async def test_a_create_sends_dial_out_exactly_if_it_is_set(
    running: Running, fields: dict[str, bool], sent: dict[str, bool]
) -> None:
    await create(running, **fields)
    assert running.sent() == sent


@pytest.mark.parametrize(
    ("end", "sent"), [("valid_from", "validFrom"), ("valid_until", "validUntil")]
)
async def test_a_create_with_one_end_of_the_window_leaves_the_other_to_the_service(
    running: Running, end: str, sent: str
) -> None:
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
async def test_a_time_is_sent_to_the_nanosecond_and_kept_to_the_services_100_ns(
    running: Running, nanos: int, sent: str, kept: int
) -> None:
    given = moment(running.emulator, 10, nanos)
    room = await create(running, valid_until=given)
    whole = Timestamp(seconds=given.seconds).ToJsonString()
    assert running.sent() == {"validUntil": whole.removesuffix("Z") + sent}
    assert room.valid_until == Timestamp(seconds=given.seconds, nanos=kept)


@pytest.mark.parametrize("count", [0, 1, 350])
async def test_a_room_is_created_with_its_whole_roster_in_the_order_given(
    running: Running, count: int
) -> None:
    roles = (ROLE_PRESENTER, ROLE_ATTENDEE, ROLE_CONSUMER, ROLE_COLLABORATOR)
    people = [Participant(raw_id=user(n), role=roles[n % len(roles)]) for n in range(count)]
    room = await create(running, participants=people)
    pages = await collect(
        running.participants.ListParticipants(ListParticipantsRequest(room_id=room.id))
    )
    assert by_raw_id(pages) == people


async def test_a_create_with_351_people_is_refused_before_anything_is_sent(
    running: Running,
) -> None:
    people = [Participant(raw_id=user(n)) for n in range(351)]
    failed = await failure_of(create(running, participants=people))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert list(failed.violations) == ["participants"]
    assert running.requests() == 0


async def test_a_create_without_request_id_is_keyed_with_a_new_uuid_each_time(
    running: Running,
) -> None:
    await create(running)
    first = uuid.UUID(running.last().headers["Repeatability-Request-ID"])
    await create(running)
    assert uuid.UUID(running.last().headers["Repeatability-Request-ID"]) != first
    assert running.last().headers["Repeatability-First-Sent"]
    assert len(running.emulator.store) == 2


async def test_a_request_id_makes_one_room_however_often_it_is_repeated(running: Running) -> None:
    request_id = str(uuid.uuid4())
    rooms = [await create(running, request_id=request_id) for _ in range(3)]
    assert rooms[0] == rooms[1] == rooms[2]
    assert len(running.emulator.store) == 1
    assert running.last().headers["Repeatability-Request-ID"] == request_id


async def test_a_request_id_makes_one_room_when_creates_race(running: Running) -> None:
    request_id = str(uuid.uuid4())
    rooms = await asyncio.gather(*(create(running, request_id=request_id) for _ in range(20)))
    assert {room.id for room in rooms} == {rooms[0].id}
    assert len(running.emulator.store) == 1


async def test_a_create_whose_answer_is_lost_is_sent_again_and_makes_one_room(
    running: Running,
) -> None:
    running.emulator.faults.add(Fault(operation="CreateRoom", drop="after"))
    room = await create(running)
    assert running.requests("CreateRoom") == 2
    assert len(running.emulator.store) == 1
    ids = {entry.headers["Repeatability-Request-ID"] for entry in running.emulator.journal}
    assert len(ids) == 1
    assert await get(running, room.id) == room


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"valid_until": -1.0}, ["valid_until"]),
        ({"valid_from": -2.0, "valid_until": -1.0}, ["valid_until"]),
        ({"valid_from": 2.0, "valid_until": 1.0}, ["valid_until"]),
        ({"valid_from": 0.0, "valid_until": 181.0}, ["valid_until"]),
        ({"valid_from": 181.0}, ["valid_from"]),
        ({"valid_from": 181.0, "valid_until": 1.0}, ["valid_from", "valid_until"]),
    ],
)
async def test_a_create_with_a_window_that_the_service_refuses_names_our_fields(
    running: Running, fields: dict[str, float], blamed: list[str]
) -> None:
    window = {name: moment(running.emulator, days) for name, days in fields.items()}
    failed = await failure_of(create(running, **window))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.reason == "SERVICE_REJECTED_REQUEST"
    assert list(failed.violations) == blamed
    assert all(failed.violations.values())
    assert len(running.emulator.store) == 0


async def test_a_create_with_an_identifier_that_the_service_refuses_makes_no_room(
    running: Running,
) -> None:
    failed = await failure_of(create(running, participants=[Participant(raw_id="wrong_mri")]))
    assert failed.reason == "SERVICE_REJECTED_REQUEST"
    assert failed.metadata["serviceErrorCode"] == "BadRequest"
    assert len(running.emulator.store) == 0


@pytest.mark.parametrize("enabled", [False, True])
async def test_an_update_of_dial_out_sends_and_changes_nothing_else(
    running: Running, *, enabled: bool
) -> None:
    room = await create(running, pstn_dial_out_enabled=not enabled)
    request = UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=enabled)
    response = await running.rooms.UpdateRoom(request)
    assert running.sent() == {"pstnDialOutEnabled": enabled}
    room.pstn_dial_out_enabled = enabled
    assert response.room == room
    assert await get(running, room.id) == room


async def test_an_update_of_the_window_leaves_dial_out_unsent_and_as_it_is(
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


async def test_an_update_is_a_merge_patch_and_a_create_plain_json(running: Running) -> None:
    room = await create(running)
    assert running.last().headers["Content-Type"] == "application/json"
    await running.rooms.UpdateRoom(UpdateRoomRequest(room_id=room.id, pstn_dial_out_enabled=True))
    assert running.last().headers["Content-Type"] == "application/merge-patch+json"


@pytest.mark.parametrize(
    ("days", "blamed"),
    [
        ((-2, -1), ["valid_until"]),
        ((0, 181), ["valid_until"]),
        ((2, 1), ["valid_until"]),
        ((181, 2), ["valid_from", "valid_until"]),
    ],
)
async def test_an_update_to_a_window_that_the_service_refuses_names_our_fields(
    running: Running, days: tuple[float, float], blamed: list[str]
) -> None:
    room = await create(running)
    start, end = (moment(running.emulator, day) for day in days)
    request = UpdateRoomRequest(room_id=room.id, valid_from=start, valid_until=end)
    failed = await failure_of(running.rooms.UpdateRoom(request))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SERVICE_REJECTED_REQUEST",
    )
    assert list(failed.violations) == blamed
    assert await get(running, room.id) == room


async def test_an_update_that_sets_nothing_is_refused_before_anything_is_sent(
    running: Running,
) -> None:
    failed = await failure_of(running.rooms.UpdateRoom(UpdateRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert list(failed.violations) == [""]
    assert running.requests() == 0


async def test_a_deleted_room_is_gone_from_reads_updates_deletes_and_lists(
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
        assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    pages = await collect(running.rooms.ListRooms(ListRoomsRequest()))
    assert [listed for page in pages for listed in page.rooms] == [other]


async def test_a_delete_whose_answer_is_lost_succeeds_although_its_repeat_finds_nothing(
    running: Running,
) -> None:
    room = await create(running)
    running.emulator.faults.add(Fault(operation="DeleteRoom", drop="after"))
    await running.rooms.DeleteRoom(DeleteRoomRequest(room_id=room.id))
    statuses = [e.status for e in running.emulator.journal if e.operation == "DeleteRoom"]
    assert statuses == [None, 404]


async def test_an_unknown_room_is_not_found_by_name(running: Running) -> None:
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    resource = failed.detail(ResourceInfo)
    assert resource is not None
    assert resource.resource_name == UNKNOWN_ROOM
    assert resource.resource_type == "acs.rooms.v1.Room"
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.request_id
    assert request.serving_data


@pytest.mark.parametrize("room_id", ["123", "f-1234567890", "NotExistingRoomID"])
async def test_a_room_id_that_only_the_service_knows_to_be_wrong_is_its_to_refuse(
    running: Running, room_id: str
) -> None:
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=room_id)))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "SERVICE_REJECTED_REQUEST",
    )
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
async def test_a_time_of_the_service_becomes_a_timestamp_without_loss(
    running: Running, text: str, seconds: int, nanos: int
) -> None:
    running.emulator.faults.add(Fault(operation="GetRoom", status=200, body=_room(createdAt=text)))
    assert (await get(running, "1")).created_at == Timestamp(seconds=seconds, nanos=nanos)


async def test_what_the_service_leaves_out_or_says_null_to_stays_unset(running: Running) -> None:
    for body in ('{"id":"1"}', _room(createdAt=None, pstnDialOutEnabled=None, novelty=[1])):
        running.emulator.faults.add(Fault(operation="GetRoom", status=200, body=body))
        assert await get(running, "1") == Room(id="1")


def _room(**members: object) -> str:
    return json.dumps({"id": "1", **members})
