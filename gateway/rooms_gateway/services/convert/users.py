"""Conversion of users and access tokens between protobuf and the Identity REST API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from acs.identity.v1 import users_pb2 as pb
from acs.rooms.v1 import access_tokens_pb2 as tokens_pb

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.convert import identifiers, timestamps
from rooms_gateway.upstream.identity_api import Token, TokenRequest

SCOPES: Mapping[tokens_pb.TokenScope.ValueType, str] = MappingProxyType(
    {
        tokens_pb.TOKEN_SCOPE_VOIP_JOIN: "voip.join",
        tokens_pb.TOKEN_SCOPE_VOIP: "voip",
        tokens_pb.TOKEN_SCOPE_CHAT_JOIN_LIMITED: "chat.join.limited",
        tokens_pb.TOKEN_SCOPE_CHAT_JOIN: "chat.join",
        tokens_pb.TOKEN_SCOPE_CHAT: "chat",
    }
)
"""REST names of scopes."""

_DEFAULT_SCOPES = (tokens_pb.TOKEN_SCOPE_VOIP_JOIN,)
_SECONDS_PER_MINUTE = 60


def raw_id_of_user(user: pb.User, field: str = "user") -> str:
    """Return the raw id of a user in a request, from `raw_id`, `identifier` or both.

    Raises InvalidRequestError, naming `field` or a field in it, if both are unset or differ, or if
    the identifier is not one of a user of a Communication Services resource.
    """
    raw_id = identifiers.raw_id_of(user, field)
    if not identifiers.is_communication_user(raw_id):
        form = "raw_id" if user.raw_id else "identifier"
        raise InvalidRequestError(
            Violation(
                f"{field}.{form}", "must identify a user of a Communication Services resource"
            )
        )
    return raw_id


def fill_user(user: pb.User, raw_id: str) -> None:
    """Set an empty `user`."""
    user.raw_id = raw_id
    identifiers.fill(user.identifier, raw_id)


def token_to_rest(
    options: tokens_pb.TokenOptions, default_minutes: int | None = None
) -> TokenRequest:
    """Convert scopes and lifetime; an unset lifetime becomes `default_minutes`."""
    scopes = dict.fromkeys(SCOPES[scope] for scope in options.scopes or _DEFAULT_SCOPES)
    minutes = default_minutes
    if options.HasField("lifetime"):
        minutes = options.lifetime.seconds // _SECONDS_PER_MINUTE
    return TokenRequest(tuple(scopes), minutes)


def fill_token(message: tokens_pb.AccessToken, token: Token) -> None:
    """Set an empty access token."""
    message.token = token.token
    timestamps.fill(message.expires_at, token.expires_on)
