"""IdentityService: each handler translates a message into one REST operation and back."""

from __future__ import annotations

from acs.identity.v1 import users_pb2 as pb

from rooms_gateway.call import Call
from rooms_gateway.services.convert.users import (
    fill_token,
    fill_user,
    raw_id_of_user,
    token_to_rest,
)
from rooms_gateway.upstream.identity_api import IdentityApi


class IdentityServicer:
    """The handlers of `acs.identity.v1.IdentityService`."""

    def __init__(self, api: IdentityApi) -> None:
        self._api = api

    async def CreateUser(self, request: pb.CreateUserRequest, call: Call) -> pb.CreateUserResponse:
        """REST: CommunicationIdentity_Create."""
        custom_id = request.custom_id or None
        token = token_to_rest(request.token_options) if request.HasField("token_options") else None
        # A user of a lost response costs nothing; a token in it would remain valid, unknown to all.
        call.idempotent = token is None or custom_id is not None
        created = await self._api.create_user(token, custom_id, call)
        response = pb.CreateUserResponse(possible_orphan=created.possible_orphan)
        fill_user(response.user, created.raw_id)
        if created.token is not None:
            fill_token(response.access_token, created.token)
        return response

    async def IssueToken(self, request: pb.IssueTokenRequest, call: Call) -> pb.IssueTokenResponse:
        """REST: CommunicationIdentity_IssueAccessToken."""
        raw_id = raw_id_of_user(request.user)
        token = await self._api.issue_token(raw_id, token_to_rest(request.token_options), call)
        response = pb.IssueTokenResponse()
        fill_token(response.access_token, token)
        return response

    async def RevokeTokens(
        self, request: pb.RevokeTokensRequest, call: Call
    ) -> pb.RevokeTokensResponse:
        """REST: CommunicationIdentity_RevokeAccessTokens."""
        await self._api.revoke_tokens(raw_id_of_user(request.user), call)
        return pb.RevokeTokensResponse()

    async def DeleteUser(self, request: pb.DeleteUserRequest, call: Call) -> pb.DeleteUserResponse:
        """REST: CommunicationIdentity_Delete."""
        raw_id = raw_id_of_user(request.user)
        await self._api.delete_user(raw_id, call, allow_missing=request.allow_missing)
        return pb.DeleteUserResponse()

    async def ExchangeTeamsUserToken(
        self, request: pb.ExchangeTeamsUserTokenRequest, call: Call
    ) -> pb.ExchangeTeamsUserTokenResponse:
        """REST: CommunicationIdentity_ExchangeTeamsUserAccessToken."""
        token = await self._api.exchange_teams_token(
            request.teams_token, request.app_id, request.user_id, call
        )
        response = pb.ExchangeTeamsUserTokenResponse()
        fill_token(response.access_token, token)
        return response
