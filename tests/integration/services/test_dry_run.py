from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import participants_pb2 as participants_pb
from acs.rooms.v1 import rooms_pb2 as rooms_pb
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, failure_of
from support.samples import user

from rooms_gateway.server.assembly import SERVICES

ROOM = "99425796013118603"
VERSION = "api-version=2025-03-13"
PARTICIPANT = participants_pb.Participant(
    raw_id=user(1), role=participants_pb.PARTICIPANT_ROLE_PRESENTER
)
MERGE_PATCH = "application/merge-patch+json"
PRESENTER = {"role": "Presenter"}

Call = Callable[[Running, dict[str, Any]], Awaitable[Any]]

# Call, method, target, content type, body with participants shown.
CALLS: dict[str, tuple[Call, str, str, str, Any]] = {
    "CreateRoom": (
        lambda running, dry: running.rooms.CreateRoom(
            rooms_pb.CreateRoomRequest(
                valid_until=Timestamp(seconds=4102444800), participants=[PARTICIPANT], **dry
            )
        ),
        "POST",
        f"/rooms?{VERSION}",
        "application/json",
        {"validUntil": "2100-01-01T00:00:00Z", "participants": {user(1): PRESENTER}},
    ),
    "UpdateRoom": (
        lambda running, dry: running.rooms.UpdateRoom(
            rooms_pb.UpdateRoomRequest(room_id=ROOM, pstn_dial_out_enabled=False, **dry)
        ),
        "PATCH",
        f"/rooms/{ROOM}?{VERSION}",
        MERGE_PATCH,
        {"pstnDialOutEnabled": False},
    ),
    "DeleteRoom": (
        lambda running, dry: running.rooms.DeleteRoom(
            rooms_pb.DeleteRoomRequest(room_id=ROOM, **dry)
        ),
        "DELETE",
        f"/rooms/{ROOM}?{VERSION}",
        "",
        None,
    ),
    "UpsertParticipants": (
        lambda running, dry: running.participants.UpsertParticipants(
            participants_pb.UpsertParticipantsRequest(
                room_id=ROOM, participants=[PARTICIPANT], **dry
            )
        ),
        "PATCH",
        f"/rooms/{ROOM}/participants?{VERSION}",
        MERGE_PATCH,
        {"participants": {user(1): PRESENTER}},
    ),
    "RemoveParticipants": (
        lambda running, dry: running.participants.RemoveParticipants(
            participants_pb.RemoveParticipantsRequest(room_id=ROOM, remove_raw_ids=[user(1)], **dry)
        ),
        "PATCH",
        f"/rooms/{ROOM}/participants?{VERSION}",
        MERGE_PATCH,
        {"participants": {user(1): None}},
    ),
    "UpdateParticipants": (
        lambda running, dry: running.participants.UpdateParticipants(
            participants_pb.UpdateParticipantsRequest(
                room_id=ROOM, participants=[PARTICIPANT], remove_raw_ids=[user(2)], **dry
            )
        ),
        "PATCH",
        f"/rooms/{ROOM}/participants?{VERSION}",
        MERGE_PATCH,
        {"participants": {user(1): PRESENTER, user(2): None}},
    ),
}


def test_every_mutating_rpc_has_a_dry_run() -> None:
    changing = {
        method.name
        for service in SERVICES
        if service.full_name.startswith("acs.rooms.v1.")
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
    }
    assert changing == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_dry_run_returns_the_request_unsent(running: Running, name: str) -> None:
    call, method, target, content_type, body = CALLS[name]
    response = await call(running, {"dry_run": DryRun(show_identifiers=True)})
    shown = response.rest_request
    assert (shown.http_method, shown.target) == (method, target)
    assert shown.headers.get("Content-Type", "") == content_type
    assert (json.loads(shown.body) if shown.body else None) == body
    assert "Authorization" not in shown.headers
    assert not response.HasField("room") if name in {"CreateRoom", "UpdateRoom"} else True
    assert running.requests() == 0


@pytest.mark.parametrize("name", CALLS)
async def test_a_dry_run_redacts_by_default(running: Running, name: str) -> None:
    response = await CALLS[name][0](running, {"dry_run": DryRun()})
    assert "8:acs" not in str(response)
    participants = CALLS[name][4] and CALLS[name][4].get("participants")
    if participants:
        shown = json.loads(response.rest_request.body)["participants"]
        assert shown == {
            f"<redacted {number}>": value
            for number, value in enumerate(participants.values(), start=1)
        }


async def test_a_dry_run_equals_the_real_request(running: Running) -> None:
    request = rooms_pb.CreateRoomRequest(
        participants=[PARTICIPANT], request_id="5f0b1e0c-6a6e-4a55-b7a1-3f3c6f1b2a90"
    )
    dry = rooms_pb.CreateRoomRequest(dry_run=DryRun(show_identifiers=True))
    dry.MergeFrom(request)
    shown = (await running.rooms.CreateRoom(dry)).rest_request
    await running.rooms.CreateRoom(request)
    (sent,) = running.emulator.journal
    assert (sent.method, sent.target, sent.body.decode()) == (
        shown.http_method,
        shown.target,
        shown.body,
    )
    for name, value in shown.headers.items():
        if name != "Repeatability-First-Sent":
            assert sent.headers[name] == value


async def test_a_dry_run_does_not_complete_the_window(running: Running) -> None:
    """It sends no request to read the other end."""
    response = await running.rooms.UpdateRoom(
        rooms_pb.UpdateRoomRequest(
            room_id=ROOM, valid_until=Timestamp(seconds=4102444800), dry_run=DryRun()
        )
    )
    assert json.loads(response.rest_request.body) == {"validUntil": "2100-01-01T00:00:00Z"}
    assert running.requests() == 0


INVALID: dict[str, Callable[[Running], Awaitable[Any]]] = {
    "a rule of the proto": lambda running: running.rooms.DeleteRoom(
        rooms_pb.DeleteRoomRequest(room_id="../keys", dry_run=DryRun())
    ),
    "a rule of the gateway": lambda running: running.participants.UpsertParticipants(
        participants_pb.UpsertParticipantsRequest(
            room_id=ROOM, participants=[PARTICIPANT, PARTICIPANT], dry_run=DryRun()
        )
    ),
}


@pytest.mark.parametrize("rule", INVALID)
async def test_a_dry_run_validates_the_request(running: Running, rule: str) -> None:
    failed = await failure_of(INVALID[rule](running))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "ERROR_REASON_REQUEST_INVALID",
    )
    assert running.requests() == 0
