from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from acs.identity.v1 import users_pb2 as identity_pb
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import join_pb2 as join_pb
from acs.rooms.v1 import participants_pb2 as participants_pb
from acs.rooms.v1 import rooms_pb2 as rooms_pb
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import Running, failure_of
from support.samples import user
from support.teams_tokens import APP, TEAMS_USER, teams_token

from rooms_gateway.server.assembly import SERVICES

ROOM = "99425796013118603"
VERSION = "api-version=2025-03-13"
IDENTITY_VERSION = "api-version=2023-10-01"
IDENTITY = f"/identities/{quote(user(1), safe='')}"
USER = identity_pb.User(raw_id=user(1))
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
    "AdmitParticipants": (
        lambda running, dry: running.join.AdmitParticipants(
            join_pb.AdmitParticipantsRequest(
                room_id=ROOM, guests=[join_pb.Guest(raw_id=user(1), label="Alice")], **dry
            )
        ),
        "PATCH",
        f"/rooms/{ROOM}/participants?{VERSION}",
        MERGE_PATCH,
        {"participants": {user(1): {"role": "Attendee"}}},
    ),
    "CreateRoomWithGuests": (
        lambda running, dry: running.join.CreateRoomWithGuests(
            join_pb.CreateRoomWithGuestsRequest(
                participants=[PARTICIPANT], guests=[join_pb.Guest(raw_id=user(2))], **dry
            )
        ),
        "POST",
        f"/rooms?{VERSION}",
        "application/json",
        {"participants": {user(1): PRESENTER}},
    ),
    "CreateUser": (
        lambda running, dry: running.identity.CreateUser(identity_pb.CreateUserRequest(**dry)),
        "POST",
        f"/identities?{IDENTITY_VERSION}",
        "application/json",
        {},
    ),
    "IssueToken": (
        lambda running, dry: running.identity.IssueToken(
            identity_pb.IssueTokenRequest(user=USER, **dry)
        ),
        "POST",
        f"{IDENTITY}/:issueAccessToken?{IDENTITY_VERSION}",
        "application/json",
        {"scopes": ["voip.join"]},
    ),
    "RevokeTokens": (
        lambda running, dry: running.identity.RevokeTokens(
            identity_pb.RevokeTokensRequest(user=USER, **dry)
        ),
        "POST",
        f"{IDENTITY}/:revokeAccessTokens?{IDENTITY_VERSION}",
        "",
        None,
    ),
    "DeleteUser": (
        lambda running, dry: running.identity.DeleteUser(
            identity_pb.DeleteUserRequest(user=USER, **dry)
        ),
        "DELETE",
        f"{IDENTITY}?{IDENTITY_VERSION}",
        "",
        None,
    ),
    "ExchangeTeamsUserToken": (
        lambda running, dry: running.identity.ExchangeTeamsUserToken(
            identity_pb.ExchangeTeamsUserTokenRequest(
                teams_token=teams_token(), app_id=APP, user_id=TEAMS_USER, **dry
            )
        ),
        "POST",
        f"/teamsUser/:exchangeAccessToken?{IDENTITY_VERSION}",
        "application/json",
        {"token": "<redacted>", "appId": APP, "userId": TEAMS_USER},
    ),
}


def test_every_mutating_rpc_has_a_dry_run() -> None:
    changing = {
        method.name
        for service in SERVICES
        for method in service.methods
        if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
        # Each item of a bulk stream has a dry run of its own: see test_bulk_rooms.py.
        and not method.client_streaming
    }
    # SyncParticipants reads the roster: its dry runs are tested with it.
    assert changing == {*CALLS, "SyncParticipants"}


@pytest.mark.parametrize("name", CALLS)
async def test_a_dry_run_returns_the_request_unsent(running: Running, name: str) -> None:
    call, method, target, content_type, body = CALLS[name]
    response = await call(running, {"dry_run": DryRun(show_identifiers=True)})
    shown = response.rest_request
    assert (shown.http_method, shown.target) == (method, target)
    assert shown.headers.get("Content-Type", "") == content_type
    assert (json.loads(shown.body) if shown.body else None) == body
    assert "Authorization" not in shown.headers
    assert [field.name for field, _ in response.ListFields()] == ["rest_request"]
    assert running.requests() == 0


@pytest.mark.parametrize("name", CALLS)
async def test_a_dry_run_redacts_by_default(running: Running, name: str) -> None:
    response = await CALLS[name][0](running, {"dry_run": DryRun()})
    for identifier in (user(1)[-36:], user(2)[-36:], TEAMS_USER, "Alice"):
        assert identifier not in str(response)
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
