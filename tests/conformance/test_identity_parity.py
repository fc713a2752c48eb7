"""Parity of IdentityService with Microsoft's Python identity client, on the same emulator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from acs.identity.v1 import users_pb2 as pb
from acs.rooms.v1 import access_tokens_pb2 as tokens_pb
from azure.communication.identity import CommunicationTokenScope, CommunicationUserIdentifier
from azure.communication.identity.aio import CommunicationIdentityClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ResourceNotFoundError
from google.protobuf.duration_pb2 import Duration
from support.gateways import Running, failure_of
from support.microsoft_sdks import IGNORE_DEPRECATIONS
from support.signed_requests import parts
from support.teams_tokens import APP, TEAMS_USER, teams_token

from rooms_emulator import DEVELOPMENT_KEY
from rooms_gateway.services.convert import timestamps

pytestmark = IGNORE_DEPRECATIONS

SCOPES: dict[str | CommunicationTokenScope, tokens_pb.TokenScope.ValueType] = {
    CommunicationTokenScope.CHAT: tokens_pb.TOKEN_SCOPE_CHAT,
    CommunicationTokenScope.CHAT_JOIN: tokens_pb.TOKEN_SCOPE_CHAT_JOIN,
    CommunicationTokenScope.CHAT_JOIN_LIMITED: tokens_pb.TOKEN_SCOPE_CHAT_JOIN_LIMITED,
    CommunicationTokenScope.VOIP: tokens_pb.TOKEN_SCOPE_VOIP,
    CommunicationTokenScope.VOIP_JOIN: tokens_pb.TOKEN_SCOPE_VOIP_JOIN,
}
CHAT: list[str | CommunicationTokenScope] = [CommunicationTokenScope.CHAT]
HOUR = timedelta(hours=1)
AN_HOUR_OF_CHAT = tokens_pb.TokenOptions(
    scopes=[tokens_pb.TOKEN_SCOPE_CHAT], lifetime=Duration(seconds=3600)
)


@pytest.fixture
async def sdk(running: Running) -> AsyncIterator[CommunicationIdentityClient]:
    # Tokens of both sides have equal expiries.
    running.emulator.clock.freeze()
    key = AzureKeyCredential(DEVELOPMENT_KEY)
    async with CommunicationIdentityClient(running.emulator.endpoint, key) as client:
        yield client


def reference(user: CommunicationUserIdentifier) -> pb.User:
    return pb.User(raw_id=user.raw_id)


def assert_equal(token: tokens_pb.AccessToken, sdk_token: Any) -> None:
    """Assert that both have the same expiry, and the same claims."""
    assert token.expires_at == timestamps.from_rest(sdk_token.expires_on)
    assert parts(token.token)[1] == parts(sdk_token.token)[1]


@pytest.mark.proves("parity-create-user")
async def test_create_user(running: Running, sdk: CommunicationIdentityClient) -> None:
    """A user that is created over gRPC is one of the SDK, and vice versa."""
    created = (await running.identity.CreateUser(pb.CreateUserRequest())).user
    theirs = await sdk.create_user()
    assert (await sdk.get_token(CommunicationUserIdentifier(created.raw_id), CHAT)).token
    issued = await running.identity.IssueToken(pb.IssueTokenRequest(user=reference(theirs)))
    assert issued.access_token.token
    assert len(running.emulator.identities) == 2


@pytest.mark.proves("parity-create-user-and-token")
async def test_create_user_and_token(running: Running, sdk: CommunicationIdentityClient) -> None:
    """The token is that of the user, and has the same expiry and scopes as one of the SDK."""
    created = await running.identity.CreateUser(pb.CreateUserRequest(token_options=AN_HOUR_OF_CHAT))
    user = CommunicationUserIdentifier(created.user.raw_id)
    assert_equal(created.access_token, await sdk.get_token(user, CHAT, token_expires_in=HOUR))


@pytest.mark.proves("parity-issue-token")
async def test_issue_token(running: Running, sdk: CommunicationIdentityClient) -> None:
    user, token = await sdk.create_user_and_token(CHAT, token_expires_in=HOUR)
    request = pb.IssueTokenRequest(user=reference(user), token_options=AN_HOUR_OF_CHAT)
    assert_equal((await running.identity.IssueToken(request)).access_token, token)


@pytest.mark.proves("parity-token-scopes")
async def test_token_scopes(running: Running, sdk: CommunicationIdentityClient) -> None:
    """Each scope of the SDK has one of the contract, alone and with all others."""
    assert set(SCOPES) == set(CommunicationTokenScope)
    user = await sdk.create_user()
    for scopes in (*([scope] for scope in SCOPES), list(SCOPES)):
        options = tokens_pb.TokenOptions(scopes=[SCOPES[scope] for scope in scopes])
        request = pb.IssueTokenRequest(user=reference(user), token_options=options)
        issued = (await running.identity.IssueToken(request)).access_token
        assert_equal(issued, await sdk.get_token(user, scopes))


@pytest.mark.proves("parity-revoke-tokens")
async def test_revoke_tokens(running: Running, sdk: CommunicationIdentityClient) -> None:
    """Both send the same request."""
    user = await sdk.create_user()
    await sdk.revoke_tokens(user)
    expected = running.last()
    await running.identity.RevokeTokens(pb.RevokeTokensRequest(user=reference(user)))
    sent = running.last()
    assert sent is not expected
    assert (sent.operation, sent.status, sent.body) == (
        expected.operation,
        expected.status,
        expected.body,
    )


@pytest.mark.proves("parity-delete-user")
async def test_delete_user(running: Running, sdk: CommunicationIdentityClient) -> None:
    """A user that one side deletes is gone for the other."""
    first, second = await sdk.create_user(), await sdk.create_user()
    await running.identity.DeleteUser(pb.DeleteUserRequest(user=reference(first)))
    with pytest.raises(ResourceNotFoundError):
        await sdk.get_token(first, CHAT)
    await sdk.delete_user(second)
    failed = await failure_of(
        running.identity.DeleteUser(pb.DeleteUserRequest(user=reference(second)))
    )
    assert failed.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.proves("parity-exchange-teams-token")
async def test_exchange_teams_token(running: Running, sdk: CommunicationIdentityClient) -> None:
    entra = teams_token(exp=int(time.time()) + 4020)
    request = pb.ExchangeTeamsUserTokenRequest(teams_token=entra, app_id=APP, user_id=TEAMS_USER)
    exchanged = (await running.identity.ExchangeTeamsUserToken(request)).access_token
    assert_equal(exchanged, await sdk.get_token_for_teams_user(entra, APP, TEAMS_USER))
