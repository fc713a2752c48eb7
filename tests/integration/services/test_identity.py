"""IdentityService: users and their access tokens."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from acs.identity.v1 import users_pb2 as pb
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import access_tokens_pb2 as tokens_pb
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ResourceInfo, RetryInfo
from support.fast_gateway import quick_gateway
from support.gateways import Running, failure_of, gateway_for, upstream_of
from support.samples import INVALID, REJECTED, communication_user, phone_number, user
from support.signed_requests import parts
from support.upstreams import answer, raw, scripted

from rooms_emulator import Emulator, Fault

USER_NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "ERROR_REASON_USER_NOT_FOUND")
FOREIGN_USER = (grpc.StatusCode.NOT_FOUND, "ERROR_REASON_USER_OF_ANOTHER_RESOURCE")
WITH_TOKEN = pb.CreateUserRequest(token_options=tokens_pb.TokenOptions())


def reference(raw_id: str) -> pb.User:
    return pb.User(raw_id=raw_id)


async def new_user(running: Running) -> str:
    return (await running.identity.CreateUser(pb.CreateUserRequest())).user.raw_id


async def test_create_returns_a_user_without_a_token(running: Running) -> None:
    response = await running.identity.CreateUser(pb.CreateUserRequest())
    raw_id = response.user.raw_id
    assert response.user.identifier == communication_user(raw_id)
    assert raw_id.startswith(f"8:acs:{running.emulator.identities.resource}_")
    assert not response.HasField("access_token")
    assert not response.possible_orphan


async def test_create_with_the_least_scope(running: Running) -> None:
    """The default scope can join rooms and nothing else; the token is that of the user."""
    response = await running.identity.CreateUser(WITH_TOKEN)
    assert running.sent() == {"createTokenWithScopes": ["voip.join"]}
    claims = parts(response.access_token.token)[1]
    assert claims["acsScope"] == "voip.join"
    assert f"8:{claims['skypeid']}" == response.user.raw_id
    assert response.access_token.expires_at.seconds == claims["exp"]


async def test_issue_has_each_scope_once(running: Running) -> None:
    """A part of a minute of the lifetime is cut off."""
    options = tokens_pb.TokenOptions(
        scopes=[tokens_pb.TOKEN_SCOPE_CHAT, tokens_pb.TOKEN_SCOPE_VOIP, tokens_pb.TOKEN_SCOPE_CHAT],
        lifetime=Duration(seconds=3659),
    )
    request = pb.IssueTokenRequest(user=reference(await new_user(running)), token_options=options)
    response = await running.identity.IssueToken(request)
    assert running.sent() == {"scopes": ["chat", "voip"], "expiresInMinutes": 60}
    claims = parts(response.access_token.token)[1]
    assert claims["exp"] - claims["iat"] == 3600


async def test_the_service_knows_every_scope(running: Running) -> None:
    raw_id = await new_user(running)
    for scope in tokens_pb.TokenScope.values():
        if scope != tokens_pb.TOKEN_SCOPE_UNSPECIFIED:
            options = tokens_pb.TokenOptions(scopes=[scope])
            request = pb.IssueTokenRequest(user=reference(raw_id), token_options=options)
            assert (await running.identity.IssueToken(request)).access_token.token


@pytest.mark.parametrize(
    "options",
    [
        tokens_pb.TokenOptions(scopes=[tokens_pb.TOKEN_SCOPE_UNSPECIFIED]),
        tokens_pb.TokenOptions(scopes=[77]),  # type: ignore[list-item] # no value of the enum
        tokens_pb.TokenOptions(scopes=[tokens_pb.TOKEN_SCOPE_VOIP] * 6),
        tokens_pb.TokenOptions(lifetime=Duration(seconds=3599)),
        tokens_pb.TokenOptions(lifetime=Duration(seconds=86_400, nanos=1)),
        tokens_pb.TokenOptions(lifetime=Duration(seconds=-1)),
    ],
)
async def test_invalid_token_options(running: Running, options: tokens_pb.TokenOptions) -> None:
    request = pb.IssueTokenRequest(user=reference(user(1)), token_options=options)
    failed = await failure_of(running.identity.IssueToken(request))
    assert (failed.code, failed.reason) == INVALID
    assert running.requests() == 0


@pytest.mark.parametrize(
    ("selected", "field"),
    [
        (None, "user"),
        (pb.User(), "user.raw_id"),
        (pb.User(raw_id="4:+14255550123"), "user.raw_id"),
        (pb.User(raw_id="8:acs:"), "user.raw_id"),
        (pb.User(raw_id="x" * 257), "user.raw_id"),
        (pb.User(identifier=phone_number("+14255550123")), "user.identifier"),
        (
            pb.User(raw_id=user(1), identifier=communication_user(user(2))),
            "user.identifier",
        ),
    ],
)
async def test_invalid_users(running: Running, selected: pb.User | None, field: str) -> None:
    failed = await failure_of(running.identity.DeleteUser(pb.DeleteUserRequest(user=selected)))
    assert (failed.code, failed.reason) == INVALID
    assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_a_typed_identifier_selects_the_user(running: Running) -> None:
    raw_id = await new_user(running)
    request = pb.RevokeTokensRequest(user=pb.User(identifier=communication_user(raw_id)))
    assert await running.identity.RevokeTokens(request) == pb.RevokeTokensResponse()
    assert running.last().operation == "RevokeAccessTokens"


Call = Callable[[Running, str], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "issue": lambda running, raw_id: running.identity.IssueToken(
        pb.IssueTokenRequest(user=reference(raw_id))
    ),
    "revoke": lambda running, raw_id: running.identity.RevokeTokens(
        pb.RevokeTokensRequest(user=reference(raw_id))
    ),
    "delete": lambda running, raw_id: running.identity.DeleteUser(
        pb.DeleteUserRequest(user=reference(raw_id))
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_user_of_another_resource(running: Running, call: Call) -> None:
    """The 401 is about the user: no other key is tried, and nothing is repeated."""
    failed = await failure_of(call(running, user(1)))
    assert (failed.code, failed.reason) == FOREIGN_USER
    assert failed.metadata == {
        "httpStatus": "401",
        "upstreamErrorCode": "IdentityNotOwned",
        "attempts": "1",
        "apiVersion": "2023-10-01",
    }
    resource = failed.detail(ResourceInfo)
    assert resource is not None
    assert (resource.resource_type, resource.resource_name) == ("acs.identity.v1.User", "")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_deleted_user(running: Running, call: Call) -> None:
    raw_id = await new_user(running)
    await CALLS["delete"](running, raw_id)
    failed = await failure_of(call(running, raw_id))
    assert (failed.code, failed.reason) == USER_NOT_FOUND
    assert raw_id not in str(failed.status)


async def test_missing_user_may_be_deleted(running: Running) -> None:
    """A user of another resource is an error all the same."""
    raw_id = await new_user(running)
    for _ in range(2):
        request = pb.DeleteUserRequest(user=reference(raw_id), allow_missing=True)
        assert await running.identity.DeleteUser(request) == pb.DeleteUserResponse()
    request = pb.DeleteUserRequest(user=reference(user(1)), allow_missing=True)
    failed = await failure_of(running.identity.DeleteUser(request))
    assert (failed.code, failed.reason) == FOREIGN_USER


async def test_lost_response_to_a_delete(emulator: Emulator) -> None:
    async with quick_gateway(upstream_of(emulator)) as quick:
        raw_id = (await quick.identity.CreateUser(pb.CreateUserRequest())).user.raw_id
        emulator.faults.add(Fault(drop="after"))
        await quick.identity.DeleteUser(pb.DeleteUserRequest(user=reference(raw_id)))
        assert len(emulator.identities) == 0


async def test_lost_create_leaves_an_orphan(emulator: Emulator) -> None:
    """It is repeated, and the response reports the orphan."""
    async with quick_gateway(upstream_of(emulator)) as quick:
        emulator.faults.add(Fault(drop="after"))
        response = await quick.identity.CreateUser(pb.CreateUserRequest())
        assert response.possible_orphan
        assert len(emulator.identities) == 2


@pytest.mark.proves("S85")
async def test_lost_token_is_not_hidden_by_a_retry(emulator: Emulator) -> None:
    async with quick_gateway(upstream_of(emulator)) as quick:
        emulator.faults.add(Fault(drop="after"))
        failed = await failure_of(quick.identity.CreateUser(WITH_TOKEN))
        assert failed.code is grpc.StatusCode.UNAVAILABLE
        assert len(emulator.identities) == 1


async def test_throttled_create_with_a_token_waits(emulator: Emulator) -> None:
    """The service has done nothing, so nothing is hidden by a further attempt."""
    async with quick_gateway(upstream_of(emulator)) as quick:
        emulator.faults.add(Fault(status=429))
        assert (await quick.identity.CreateUser(WITH_TOKEN)).access_token.token
        assert len(emulator.identities) == 1


async def test_identity_operations_have_their_own_pacers() -> None:
    """Throttled token issues hold back no create."""
    async with (
        Emulator(quotas=["IssueAccessToken=1/10m,window"]) as emulator,
        gateway_for(emulator, max_pacing_wait=0) as running,
    ):
        selected = reference(await new_user(running))
        await running.identity.IssueToken(pb.IssueTokenRequest(user=selected))
        failed = await failure_of(running.identity.IssueToken(pb.IssueTokenRequest(user=selected)))
        assert failed.reason == "ERROR_REASON_THROTTLED"
        assert failed.detail(RetryInfo) is not None
        await new_user(running)


async def test_custom_ids_need_their_api_version(emulator: Emulator) -> None:
    request = pb.CreateUserRequest(custom_id="alice")
    async with gateway_for(emulator) as running:
        failed = await failure_of(running.identity.CreateUser(request))
        assert failed.code is grpc.StatusCode.UNIMPLEMENTED
        assert failed.reason == "ERROR_REASON_API_VERSION_UNSUPPORTED"
        assert running.requests() == 0
    async with gateway_for(emulator, identity_api_version="2025-03-02-preview") as running:
        first, second = [await running.identity.CreateUser(request) for _ in range(2)]
        assert first == second


EXCHANGE = pb.ExchangeTeamsUserTokenRequest(
    teams_token="canary",
    app_id="b60f5cc1-83a7-485a-a45c-7288de014884",
    user_id="b60f5cc1-83a7-485a-a45c-7288de014885",
)
SHOWING = DryRun(show_identifiers=True)


@pytest.mark.parametrize(
    ("method", "request_", "http_method", "target"),
    [
        ("CreateUser", pb.CreateUserRequest(dry_run=DryRun()), "POST", "/identities"),
        (
            "IssueToken",
            pb.IssueTokenRequest(user=reference(user(1)), dry_run=DryRun()),
            "POST",
            "/identities/<redacted>/:issueAccessToken",
        ),
        (
            "RevokeTokens",
            pb.RevokeTokensRequest(user=reference(user(1)), dry_run=DryRun()),
            "POST",
            "/identities/<redacted>/:revokeAccessTokens",
        ),
        (
            "DeleteUser",
            pb.DeleteUserRequest(user=reference(user(1)), dry_run=SHOWING),
            "DELETE",
            f"/identities/{user(1).replace(':', '%3A')}",
        ),
        (
            "ExchangeTeamsUserToken",
            pb.ExchangeTeamsUserTokenRequest(
                teams_token="canary",
                app_id=EXCHANGE.app_id,
                user_id=EXCHANGE.user_id,
                dry_run=SHOWING,
            ),
            "POST",
            "/teamsUser/:exchangeAccessToken",
        ),
    ],
)
async def test_dry_runs(
    running: Running, method: str, request_: Any, http_method: str, target: str
) -> None:
    """They send nothing, and never show a token."""
    response = await getattr(running.identity, method)(request_)
    shown = response.rest_request
    assert (shown.http_method, shown.target) == (http_method, f"{target}?api-version=2023-10-01")
    assert "canary" not in shown.body
    assert running.requests() == 0


async def test_exchange_of_a_teams_token() -> None:
    issued = {"token": "t", "expiresOn": "2026-11-30T12:00:00.5+00:00"}
    async with (
        scripted(answer(json.dumps(issued).encode())) as service,
        quick_gateway(service.upstream) as quick,
    ):
        token = (await quick.identity.ExchangeTeamsUserToken(EXCHANGE)).access_token
        assert (token.token, token.expires_at.ToJsonString()) == ("t", "2026-11-30T12:00:00.500Z")
        assert json.loads(service.requests[0].partition(b"\r\n\r\n")[2]) == {
            "token": "canary",
            "appId": EXCHANGE.app_id,
            "userId": EXCHANGE.user_id,
        }


TEAMS_TOKEN_INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "ERROR_REASON_TEAMS_TOKEN_INVALID")


@pytest.mark.parametrize(
    ("status", "code", "target", "expected", "field"),
    [
        ("401 Unauthorized", "InvalidAccessToken", None, TEAMS_TOKEN_INVALID, "teams_token"),
        ("400 Bad Request", "ValidationError", "appId", REJECTED, "app_id"),
        ("400 Bad Request", "ValidationError", "UserId", REJECTED, "user_id"),
    ],
)
async def test_rejected_teams_tokens(
    status: str, code: str, target: str | None, expected: tuple[grpc.StatusCode, str], field: str
) -> None:
    error = {"error": {"code": code, "message": "Rejected.", "target": target}}
    async with (
        scripted(answer(json.dumps(error).encode(), status)) as service,
        quick_gateway(service.upstream) as quick,
    ):
        failed = await failure_of(quick.identity.ExchangeTeamsUserToken(EXCHANGE))
        assert (failed.code, failed.reason) == expected
        assert list(failed.violations) == [field]
        assert len(service.requests) == 1


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"<html>", b'{"identity":{"id":"8:acs:a_b"},"accessToken":null}']
)
async def test_malformed_responses_to_a_create(body: bytes) -> None:
    async with (
        scripted(answer(body, "201 Created")) as service,
        quick_gateway(service.upstream) as quick,
    ):
        failed = await failure_of(quick.identity.CreateUser(WITH_TOKEN))
        assert failed.reason == "ERROR_REASON_UPSTREAM_RESPONSE_INVALID"


async def test_page_of_a_proxy_confirms_nothing() -> None:
    async with (
        scripted(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")) as service,
        quick_gateway(service.upstream) as quick,
    ):
        for call in (
            quick.identity.RevokeTokens(pb.RevokeTokensRequest(user=reference(user(1)))),
            quick.identity.DeleteUser(pb.DeleteUserRequest(user=reference(user(1)))),
        ):
            failed = await failure_of(call)
            assert failed.reason == "ERROR_REASON_UPSTREAM_RESPONSE_INVALID"
