"""The operations of the identity REST API: a call in, an answer out, no HTTP in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from msgspec import UNSET, UnsetType

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.http import bodies
from rooms_emulator.http.bodies import JsonObject
from rooms_emulator.identity import problems, tokens
from rooms_emulator.identity.problems import LEAST_MINUTES, MOST_MINUTES
from rooms_emulator.identity.store import Identities
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.rooms import identifiers
from rooms_emulator.rooms.operations import Answer
from rooms_emulator.timestamps import TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class IdentityCall:
    """A request that is authentic, routed, and of a version that we speak.

    Attributes:
        version: the api-version.
        raw_id: the id in the path, decoded; empty where the path has none.
        body: the body, as it came.

    """

    version: IdentityVersion
    raw_id: str
    body: bytes


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
    """Every operation, on one store.

    The methods raise ``ServiceError`` for what the service refuses, and ``NoSuchIdentityError`` as
    the store does.
    """

    def __init__(self, identities: Identities, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock

    def create(self, call: IdentityCall) -> Answer:
        """CommunicationIdentity_Create."""
        body: JsonObject = bodies.read(call.body) if call.body else {}
        scopes = _scopes(body, "createTokenWithScopes", call.version)
        minutes = _minutes(body, call.version)
        raw_id = self._identities.create()
        token = self._issue(raw_id, scopes, minutes) if scopes else UNSET
        return Answer(HTTPStatus.CREATED, Created(Identity(raw_id), token))

    def delete(self, call: IdentityCall) -> Answer:
        """CommunicationIdentity_Delete."""
        _check(call.raw_id)
        self._identities.delete(call.raw_id)
        return Answer(HTTPStatus.NO_CONTENT)

    def issue_token(self, call: IdentityCall) -> Answer:
        """CommunicationIdentity_IssueAccessToken."""
        body = bodies.read(call.body)
        scopes = _scopes(body, "scopes", call.version)
        if not scopes:
            raise problems.missing("Scopes")
        minutes = _minutes(body, call.version)
        _check(call.raw_id)
        self._identities.require(call.raw_id)
        return Answer(HTTPStatus.OK, self._issue(call.raw_id, scopes, minutes))

    def revoke_tokens(self, call: IdentityCall) -> Answer:
        """CommunicationIdentity_RevokeAccessTokens: nothing here accepts a token, so all are."""
        _check(call.raw_id)
        self._identities.require(call.raw_id)
        return Answer(HTTPStatus.NO_CONTENT)

    def _issue(self, raw_id: str, scopes: Sequence[str], minutes: int) -> AccessToken:
        now = self._clock.now()
        expires = now + minutes * 60 * TICKS_PER_SECOND
        return AccessToken(tokens.make(raw_id, scopes, now, expires), timestamps.render(expires))


def _check(raw_id: str) -> None:
    if not identifiers.is_communication_user(raw_id):
        raise problems.bad_identity()


def _scopes(body: JsonObject, member: str, version: IdentityVersion) -> tuple[str, ...]:
    """Read what a token is asked for, each once; null and absent mean nothing."""
    value = body.get(member)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise problems.unconvertible("an array", f"$.{member}")
    for number, scope in enumerate(value):
        if not isinstance(scope, str):
            raise problems.unconvertible("a string", f"$.{member}[{number}]")
        if scope not in version.scopes:
            raise problems.bad_scope(scope, member[0].upper() + member[1:], version.scopes)
    return tuple(dict.fromkeys(value))


def _minutes(body: JsonObject, version: IdentityVersion) -> int:
    """Read how long a token lives; null and absent mean the longest."""
    minutes = body.get("expiresInMinutes") if version.has_expiry else None
    if minutes is None:
        return MOST_MINUTES
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise problems.unconvertible("an integer", "$.expiresInMinutes")
    if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise problems.bad_minutes(minutes)
    return minutes
