"""Items of bulk jobs: each is its unary RPC."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from typing import Any

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import error_reason_pb2
from acs.rooms.v1.bulk_rooms_pb2 import BulkCreateRoomsRequest, BulkDeleteRoomsRequest
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest
from google.protobuf.timestamp_pb2 import Timestamp
from support.bulk import by_key, creates, deletes
from support.gateways import UNKNOWN_ROOM, Running, collect, gateway_for
from support.samples import user
from support.upstreams import scripted, silence

from rooms_emulator import Emulator, Fault
from rooms_gateway.services.convert import rooms as conversion

JOB = "5f0c7e36-0b5e-4a1e-9c39-5a3a3f1c9a55"
OTHER_JOB = "0c1f8f5e-4f0e-4d4b-8a34-1b9f2e6f7d10"
INVALID = error_reason_pb2.ERROR_REASON_REQUEST_INVALID


@pytest.mark.proves("bulk-create")
async def test_every_key_has_the_room_of_its_item(running: Running) -> None:
    items = [
        BulkCreateRoomsRequest(
            key=str(number),
            request=CreateRoomRequest(
                pstn_dial_out_enabled=bool(number % 2),
                participants=[Participant(raw_id=user(number))],
                include_participants=True,
            ),
        )
        for number in range(100)
    ]
    results = await by_key(running.rooms.BulkCreateRooms(iter(items)))
    assert set(results) == {item.key for item in items}
    for item in items:
        response = results[item.key].response
        assert response.room.pstn_dial_out_enabled == item.request.pstn_dial_out_enabled
        assert [each.raw_id for each in response.participants] == [
            item.request.participants[0].raw_id
        ]
    assert len(running.emulator.store) == 100


async def test_a_job_that_is_sent_again_creates_no_room(running: Running) -> None:
    """The request ids are UUIDs of version 5, of the job id as the namespace and the key."""
    first = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(50), JOB))))
    again = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(50), JOB))))
    assert len(running.emulator.store) == 50
    for key, result in first.items():
        assert again[key].response.room == result.response.room
        assert (result.response.replayed, again[key].response.replayed) == (False, True)
    sent = {entry.headers["Repeatability-Request-ID"] for entry in running.emulator.journal}
    assert sent == {str(uuid.uuid5(uuid.UUID(JOB), str(number))) for number in range(50)}


async def test_only_the_first_item_needs_the_job_id(running: Running) -> None:
    items = creates(["a"], JOB) + creates(["b", "c"])
    assert len(await by_key(running.rooms.BulkCreateRooms(iter(items)))) == 3
    again = await by_key(running.rooms.BulkCreateRooms(iter(creates("abc", JOB))))
    assert all(result.response.replayed for result in again.values())


async def test_a_repeated_key_returns_the_room_of_the_first(running: Running) -> None:
    results = await collect(running.rooms.BulkCreateRooms(iter(creates("aaa", JOB))))
    assert len({result.response.room.id for result in results}) == 1
    assert Counter(result.response.replayed for result in results) == {True: 2, False: 1}
    assert len(running.emulator.store) == 1


async def test_a_request_id_of_its_own_is_kept(running: Running) -> None:
    item = creates("a", JOB)[0]
    item.request.request_id = OTHER_JOB
    await collect(running.rooms.BulkCreateRooms(iter([item])))
    assert running.last().headers["Repeatability-Request-ID"] == OTHER_JOB


async def test_without_a_job_id_rooms_are_created_again(running: Running) -> None:
    for _ in range(2):
        await collect(running.rooms.BulkCreateRooms(iter(creates("aa"))))
    assert len(running.emulator.store) == 4


@pytest.mark.parametrize(
    ("job_ids", "rejected"),
    [
        ([JOB, OTHER_JOB, "", JOB], [1]),
        (["", JOB, ""], [1]),
        ([JOB, JOB.upper()], [1]),
        (["no UUID", "", JOB, "no UUID"], [0, 1, 2, 3]),
        ([JOB.replace("-", ""), ""], [0, 1]),
        ([JOB.upper(), ""], []),
    ],
)
async def test_a_wrong_job_id_is_the_error_of_its_item(
    running: Running, job_ids: list[str], rejected: list[int]
) -> None:
    """An item that would not be repeatable, as its client believes, is rejected too."""
    items = [creates([number], job_id)[0] for number, job_id in enumerate(job_ids)]
    results = await by_key(running.rooms.BulkCreateRooms(iter(items)))
    failed = [number for number in range(len(items)) if results[str(number)].HasField("error")]
    assert failed == rejected
    for number in failed:
        error = results[str(number)].error
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], INVALID)
        assert error.message.startswith("job_id: ")


async def test_a_broken_rule_is_the_error_of_its_item(running: Running) -> None:
    """The message names the field, and the other items are processed."""
    broken = [
        ("request: ", BulkCreateRoomsRequest(key="no request")),
        (
            "participants: ",
            BulkCreateRoomsRequest(
                key="too many",
                request=CreateRoomRequest(participants=[Participant(raw_id="x")] * 351),
            ),
        ),
        ("key: ", BulkCreateRoomsRequest(key="k" * 257, request=CreateRoomRequest())),
        (
            "valid_from: ",
            BulkCreateRoomsRequest(
                key="time", request=CreateRoomRequest(valid_from=Timestamp(nanos=-1))
            ),
        ),
    ]
    items = [*creates("a"), *(item for _, item in broken), *creates("b")]
    results = await by_key(running.rooms.BulkCreateRooms(iter(items)))
    for field, item in broken:
        error = results[item.key].error
        assert error.reason == INVALID
        assert error.message.startswith(field)
        assert not error.HasField("retry_delay")
    assert [results[key].WhichOneof("outcome") for key in "ab"] == ["response"] * 2
    assert len(running.emulator.store) == 2


async def test_errors_of_the_service_name_no_user(running: Running) -> None:
    """The message names the field of the participant instead."""
    item = creates("a")[0]
    item.request.participants.append(Participant(raw_id=user(7)))
    for text, message in (
        (f"{user(7)} is unknown", "participants[0].raw_id is unknown"),
        ("unknown participant", "unknown participant"),
    ):
        body = {"error": {"code": "BadRequest", "message": text}}
        running.emulator.faults.add(Fault(status=400, body=json.dumps(body)))
        [result] = await collect(running.rooms.BulkCreateRooms(iter([item])))
        assert result.error.reason == error_reason_pb2.ERROR_REASON_UPSTREAM_REJECTED_REQUEST
        assert result.error.message == message


async def test_an_error_of_the_service_names_its_field(running: Running) -> None:
    item = creates("a")[0]
    item.request.valid_until.seconds = 1
    [result] = await collect(running.rooms.BulkCreateRooms(iter([item])))
    assert result.error.reason == error_reason_pb2.ERROR_REASON_UPSTREAM_REJECTED_REQUEST
    assert result.error.message.startswith("valid_until: ")


async def test_dry_runs_show_requests_and_create_nothing(running: Running) -> None:
    """An item with `dry_run` is one; the others are not."""
    dry, real = creates(["dry", "real"], JOB)
    dry.request.dry_run.SetInParent()
    results = await by_key(running.rooms.BulkCreateRooms(iter([dry, real])))
    request = results["dry"].response.rest_request
    unary = CreateRoomRequest(dry_run=DryRun(), request_id=str(uuid.uuid5(uuid.UUID(JOB), "dry")))
    expected = (await running.rooms.CreateRoom(unary)).rest_request
    first_sent = "Repeatability-First-Sent"
    request.headers.pop(first_sent), expected.headers.pop(first_sent)
    assert request == expected
    assert not results["dry"].response.HasField("room")
    assert results["real"].response.HasField("room")
    assert len(running.emulator.store) == 1


@pytest.mark.proves("bulk-delete")
async def test_deleted_rooms_have_an_empty_response(running: Running) -> None:
    """The default of the key is the room id."""
    rooms = running.emulator.store.seed(40)
    results = await by_key(running.rooms.BulkDeleteRooms(iter(deletes(rooms))))
    assert set(results) == set(rooms)
    assert all(result.WhichOneof("outcome") == "response" for result in results.values())
    assert len(running.emulator.store) == 0


async def test_a_missing_room_is_an_error_unless_allowed(running: Running) -> None:
    for allowed, outcome in ((False, "error"), (True, "response")):
        items = iter(deletes([UNKNOWN_ROOM], allow_missing=allowed))
        [result] = await collect(running.rooms.BulkDeleteRooms(items))
        assert result.WhichOneof("outcome") == outcome
        if not allowed:
            assert result.error.reason == error_reason_pb2.ERROR_REASON_ROOM_NOT_FOUND


async def test_a_dry_run_of_a_delete_deletes_nothing(running: Running) -> None:
    [room] = running.emulator.store.seed(1)
    request = DeleteRoomRequest(room_id=room, dry_run=DryRun())
    item = BulkDeleteRoomsRequest(key="k", request=request)
    [result] = await collect(running.rooms.BulkDeleteRooms(iter([item])))
    assert result.key == "k"
    assert result.response.rest_request.http_method == "DELETE"
    assert len(running.emulator.store) == 1


async def test_lost_responses_create_one_room_each(running: Running) -> None:
    running.emulator.faults.add(Fault(operation="CreateRoom", drop="after", count=5))
    results = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(40)))))
    assert all(result.HasField("response") for result in results.values())
    assert len(running.emulator.store) == 40


async def test_errors_of_the_upstream_are_errors_of_items(once: Running) -> None:
    once.emulator.faults.add(Fault(operation="CreateRoom", status=503, count=3))
    results = await by_key(once.rooms.BulkCreateRooms(iter(creates(range(20)))))
    errors = [result.error for result in results.values() if result.HasField("error")]
    assert {error.reason for error in errors} == {
        error_reason_pb2.ERROR_REASON_UPSTREAM_UNAVAILABLE
    }
    assert all(error.HasField("retry_delay") for error in errors)
    assert len(errors) == 3
    assert len(once.emulator.store) == 17


async def test_a_defect_is_the_error_of_its_item(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is a fixed text; the log has the details."""
    convert = conversion.create_to_rest

    def fail_with_dial_out(request: CreateRoomRequest, *converted: Any) -> object:
        if request.pstn_dial_out_enabled:
            raise RuntimeError("internals")
        return convert(request, *converted)

    monkeypatch.setattr("rooms_gateway.services.rooms.create_to_rest", fail_with_dial_out)
    items = creates("ab")
    items[0].request.pstn_dial_out_enabled = True
    results = await by_key(running.rooms.BulkCreateRooms(iter(items)))
    assert results["a"].error.reason == error_reason_pb2.ERROR_REASON_GATEWAY_INTERNAL
    assert "internals" not in results["a"].error.message
    assert results["b"].HasField("response")
    assert "internals" in caplog.text


async def test_the_stream_counts_the_attempts_of_its_items(
    emulator: Emulator, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    emulator.faults.add(Fault(operation="CreateRoom", status=500, count=2))
    await collect(running.rooms.BulkCreateRooms(iter(creates(range(10)))))
    assert "BulkCreateRooms code=OK" in caplog.text
    assert "attempts=12" in caplog.text


async def test_concurrent_streams_of_a_job_create_its_rooms_once(running: Running) -> None:
    streams = await asyncio.gather(
        *(by_key(running.rooms.BulkCreateRooms(iter(creates(range(50), JOB)))) for _ in range(4))
    )
    assert len(running.emulator.store) == 50
    for results in streams:
        assert {key: result.response.room.id for key, result in results.items()} == {
            key: result.response.room.id for key, result in streams[0].items()
        }


async def test_without_an_upstream_every_item_has_an_error(emulator: Emulator) -> None:
    async with scripted(silence) as service:
        absent = service.upstream
    async with gateway_for(emulator, absent, max_attempts=1) as running:
        call = running.rooms.BulkCreateRooms(iter(creates(range(100))))
        results = await by_key(call)
        assert await call.code() is grpc.StatusCode.OK
    assert {result.error.reason for result in results.values()} == {
        error_reason_pb2.ERROR_REASON_UPSTREAM_UNAVAILABLE
    }
    assert len(results) == 100
