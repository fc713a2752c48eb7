"""The operations of the Identity REST API: from a call to a response, without HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from msgspec import UNSET, UnsetType

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.http import json_body
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.http.messages import Response
from rooms_emulator.identity import problems, tokens
from rooms_emulator.identity.problems import MAX_MINUTES, MIN_MINUTES
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.identity.store import Identities
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.problems import unconvertible
from rooms_emulator.timestamps import TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class IdentityCall:
    """An authenticated and routed request of a supported api-version."""

    version: IdentityVersion
    raw_id: str
    """Decoded id in the path; empty if the path has none."""
    body: bytes
    """Body as received."""


class AccessToken(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessToken of the REST API."""

    token: str
    expires_on: str


class Identity(msgspec.Struct, frozen=True):
    """CommunicationIdentity of the REST API."""

    id: str


class Created(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessTokenResult of the REST API."""

    identity: Identity
    access_token: AccessToken | UnsetType = UNSET


class IdentityOperations:
    """All operations, on one store.

    The methods raise ServiceError for requests that the service rejects, and the store's
    NoSuchIdentityError.
    """

    def __init__(self, identities: Identities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    def create(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_Create."""
        body: JsonObject = json_body.parse(call.body) if call.body else {}
        scopes = _scopes(body, "createTokenWithScopes", call.version)
        minutes = _minutes(body, call.version)
        raw_id = self._identities.create()
        token = self._issue(raw_id, scopes, minutes) if scopes else UNSET
        return Response(HTTPStatus.CREATED, Created(Identity(raw_id), token))

    def delete(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_Delete."""
        _check(call.raw_id)
        self._identities.delete(call.raw_id)
        return Response(HTTPStatus.NO_CONTENT)

    def issue_token(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_IssueAccessToken."""
        body = json_body.parse(call.body)
        scopes = _scopes(body, "scopes", call.version)
        if not scopes:
            raise problems.missing("Scopes")
        minutes = _minutes(body, call.version)
        _check(call.raw_id)
        self._identities.require(call.raw_id)
        return Response(HTTPStatus.OK, self._issue(call.raw_id, scopes, minutes))

    def revoke_tokens(self, call: IdentityCall) -> Response:
        """CommunicationIdentity_RevokeAccessTokens; no effect, because nothing accepts a token."""
        _check(call.raw_id)
        self._identities.require(call.raw_id)
        return Response(HTTPStatus.NO_CONTENT)

    def _issue(self, raw_id: str, scopes: Sequence[str], minutes: int) -> AccessToken:
        now = self._clock.now()
        expires = now + minutes * 60 * TICKS_PER_SECOND
        return AccessToken(tokens.make(raw_id, scopes, now, expires), timestamps.render(expires))


def _check(raw_id: str) -> None:
    if not is_communication_user(raw_id):
        raise problems.bad_identity()


def _scopes(body: JsonObject, member: str, version: IdentityVersion) -> tuple[str, ...]:
    """Return the requested scopes, each once; none if the member is null or absent."""
    value = body.get(member)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise unconvertible("an array", f"$.{member}")
    for number, scope in enumerate(value):
        if not isinstance(scope, str):
            raise unconvertible("a string", f"$.{member}[{number}]")
        if scope not in version.scopes:
            raise problems.bad_scope(scope, member[0].upper() + member[1:], version.scopes)
    return tuple(dict.fromkeys(value))


def _minutes(body: JsonObject, version: IdentityVersion) -> int:
    """Return the requested lifetime of a token; the maximum if it is null or absent."""
    minutes = body.get("expiresInMinutes") if version.has_expiry else None
    if minutes is None:
        return MAX_MINUTES
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise unconvertible("an integer", "$.expiresInMinutes")
    if not MIN_MINUTES <= minutes <= MAX_MINUTES:
        raise problems.bad_minutes(minutes)
    return minutes
