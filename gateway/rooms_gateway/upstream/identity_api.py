"""Operations of the Identity REST API as methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.errors import (
    InvalidUpstreamResponseError,
    UnsupportedApiVersionError,
    UpstreamRejectedError,
)
from rooms_gateway.upstream.error_response import USER_NOT_FOUND
from rooms_gateway.upstream.operation import JSON, Operation, decode, encode
from rooms_gateway.upstream.transport.messages import OperationFamily, RestResponse
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import WITH_CUSTOM_IDS

_SERVICE = "the Identity service"


class Token(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessToken."""

    token: str
    expires_on: str


class _Identity(msgspec.Struct, frozen=True):
    id: str


class _Created(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessTokenResult."""

    identity: _Identity
    access_token: Token | None = None


class _Create(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentityCreateRequest."""

    create_token_with_scopes: Sequence[str] | None = None
    expires_in_minutes: int | None = None
    custom_id: str | None = None


class _Issue(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentityAccessTokenRequest."""

    scopes: Sequence[str]
    expires_in_minutes: int | None = None


class _Exchange(msgspec.Struct, frozen=True, rename="camel"):
    """TeamsUserExchangeTokenRequest."""

    token: str
    app_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Scopes, by their REST names, and lifetime of a token."""

    scopes: Sequence[str]
    minutes: int | None = None
    """None: the default of the Identity service, 24 hours."""


@dataclass(frozen=True, slots=True)
class CreatedUser:
    """Response to a create."""

    raw_id: str
    token: Token | None
    possible_orphan: bool
    """Whether an earlier attempt may have created another user."""


_created = msgspec.json.Decoder(_Created)
_token = msgspec.json.Decoder(Token)


class IdentityApi:
    """The Identity REST API in one api-version.

    Every method raises UpstreamRejectedError for an error response, InvalidUpstreamResponseError
    for a malformed one, and what `Sender.send` raises.
    """

    def __init__(self, sender: Sender, api_version: str) -> None:
        self._operation = Operation(sender, api_version, _SERVICE)
        self.api_version = api_version
        """Name of the api-version in use."""

    def check_custom_ids(self) -> None:
        """Raise UnsupportedApiVersionError if the api-version has no custom ids."""
        if self.api_version != WITH_CUSTOM_IDS:
            raise UnsupportedApiVersionError(
                f"REST api-version {self.api_version} does not support custom_id: leave it out, or "
                f"run the gateway with --identity-api-version {WITH_CUSTOM_IDS}"
            )

    async def create_user(
        self, token: TokenRequest | None, custom_id: str | None, call: Call
    ) -> CreatedUser:
        """Create a user, or find that with `custom_id`. REST: CommunicationIdentity_Create.

        Raises UnsupportedApiVersionError if the api-version has no custom ids.
        """
        if custom_id is not None:
            self.check_custom_ids()
        body = _Create(custom_id=custom_id)
        if token is not None:
            body = _Create(token.scopes, token.minutes, custom_id)
        response = await self._operation.call(
            "POST", "/identities", call, encode(body), JSON, family=OperationFamily.USER_CREATES
        )
        created = decode(_created, response, _SERVICE)
        if (created.access_token is None) is not (token is None):
            raise InvalidUpstreamResponseError(
                f"{_SERVICE} created a user {'without' if token else 'with'} an access token"
            )
        orphan = response.after_ambiguous_attempt and custom_id is None
        return CreatedUser(created.identity.id, created.access_token, orphan)

    async def issue_token(self, raw_id: str, token: TokenRequest, call: Call) -> Token:
        """Issue a token for a user. REST: CommunicationIdentity_IssueAccessToken."""
        response = await self._operation.call(
            "POST",
            f"{_path(raw_id)}/:issueAccessToken",
            call,
            encode(_Issue(token.scopes, token.minutes)),
            JSON,
            family=OperationFamily.TOKEN_ISSUES,
        )
        return decode(_token, response, _SERVICE)

    async def revoke_tokens(self, raw_id: str, call: Call) -> None:
        """Revoke all tokens of a user. REST: CommunicationIdentity_RevokeAccessTokens."""
        path = f"{_path(raw_id)}/:revokeAccessTokens"
        family = OperationFamily.TOKEN_REVOCATIONS
        _confirm(await self._operation.call("POST", path, call, family=family))

    async def delete_user(self, raw_id: str, call: Call, *, allow_missing: bool = False) -> None:
        """Delete a user. REST: CommunicationIdentity_Delete.

        `allow_missing`: succeed if there is no such user in the resource.
        """
        family = OperationFamily.USER_DELETES
        try:
            response = await self._operation.call("DELETE", _path(raw_id), call, family=family)
        except UpstreamRejectedError as error:
            # An earlier attempt of the call may have deleted the user.
            may_be_missing = allow_missing or error.after_ambiguous_attempt
            missing = error.code == USER_NOT_FOUND or error.status == HTTPStatus.NOT_FOUND
            if missing and may_be_missing:
                return
            raise
        _confirm(response)

    async def exchange_teams_token(
        self, teams_token: str, app_id: str, user_id: str, call: Call
    ) -> Token:
        """Exchange the Entra token of a Teams user.

        REST: CommunicationIdentity_ExchangeTeamsUserAccessToken.
        """
        response = await self._operation.call(
            "POST",
            "/teamsUser/:exchangeAccessToken",
            call,
            encode(_Exchange(teams_token, app_id, user_id)),
            JSON,
            family=OperationFamily.TOKEN_EXCHANGES,
        )
        return decode(_token, response, _SERVICE)


def _path(raw_id: str) -> str:
    return f"/identities/{quote(raw_id, safe='')}"


def _confirm(response: RestResponse) -> None:
    """Raise InvalidUpstreamResponseError unless the response confirms a change."""
    if response.status != HTTPStatus.NO_CONTENT:
        raise InvalidUpstreamResponseError(
            f"{_SERVICE} confirms a change with HTTP status 204, not {response.status}"
        )
