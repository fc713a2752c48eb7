"""The operations of the Identity REST API: from a call to a response, without HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from msgspec import UNSET

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.http import json_body
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.http.messages import Response
from rooms_emulator.identity import bodies, models, problems, teams, tokens
from rooms_emulator.identity.models import AccessToken, Created
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.identity.store import Identities
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.timestamps import TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class IdentityCall:
    """An authenticated and routed request of a supported api-version."""

    version: IdentityVersion
    raw_id: str
    """Decoded id in the path; empty if the path has none."""
    body: bytes
    """Body as received."""


class IdentityOperations:
    """All operations, on one store.

    The methods raise ServiceError for requests that the service rejects, and the store's
    NoSuchIdentityError. They check the types of all members first, then the id in the path, then
    the values of the members, and last whether the user exists.
    """

    def __init__(self, identities: Identities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    def create(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_Create."""
        request = bodies.token_request(_optional(call.body), "createTokenWithScopes")
        request.check(call.version)
        raw_id = self._identities.create(request.custom_id).id
        token = self._issue(raw_id, request.scopes, request.lifetime) if request.scopes else UNSET
        user = models.of_user(self._identities.get(raw_id), call.version)
        return Response(HTTPStatus.CREATED, Created(user, token))

    def get(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_Get."""
        self._check_owned(call.raw_id)
        user = self._identities.get(call.raw_id)
        return Response(HTTPStatus.OK, models.of_user(user, call.version))

    def delete(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_Delete."""
        self._check_owned(call.raw_id)
        self._identities.delete(call.raw_id)
        return Response(HTTPStatus.NO_CONTENT)

    def issue_token(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_IssueAccessToken."""
        request = bodies.token_request(json_body.parse(call.body), "scopes")
        if request.scopes is None:
            raise problems.missing("Scopes")
        self._check_owned(call.raw_id)
        if not request.scopes:
            raise problems.invalid("Invalid scopes - Scopes field is required.", "scopes")
        request.check(call.version)
        return Response(HTTPStatus.OK, self._issue(call.raw_id, request.scopes, request.lifetime))

    def revoke_tokens(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_RevokeAccessTokens; no effect, because nothing accepts a token."""
        self._check_owned(call.raw_id)
        self._identities.get(call.raw_id)
        return Response(HTTPStatus.NO_CONTENT)

    def exchange_teams_token(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_ExchangeTeamsUserAccessToken."""
        now = self._clock.now()
        teams_token = teams.token_to_exchange(_optional(call.body), call.version, now)
        raw_id = f"8:orgid:{teams_token.user_id}"
        return Response(
            HTTPStatus.OK, self._token(raw_id, tokens.TEAMS_SCOPES, now, teams_token.expires)
        )

    def _issue(self, raw_id: str, scopes: Sequence[str], minutes: int) -> AccessToken:
        now = self._clock.now()
        self._identities.record_token(raw_id, now)
        return self._token(raw_id, scopes, now, now + minutes * 60 * TICKS_PER_SECOND)

    def _token(self, raw_id: str, scopes: Sequence[str], issued: int, expires: int) -> AccessToken:
        token = tokens.make(raw_id, self._identities.resource, scopes, issued, expires)
        return AccessToken(token, timestamps.render(expires))

    def _check_owned(self, raw_id: str) -> None:
        if not is_communication_user(raw_id):
            raise problems.bad_identity()
        if not self._identities.owns(raw_id):
            raise problems.not_owned()


def _optional(body: bytes) -> JsonObject:
    return json_body.parse(body) if body else {}
