"""Teams users: requests that exchange their Entra ID tokens.

The emulator accepts every token that has the form and the claims of one, whatever its signature:
tests can make it by hand.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from rooms_emulator import timestamps
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.identity import bodies, problems
from rooms_emulator.identity.raw_ids import GUID
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.timestamps import TICKS_PER_SECOND

_GUID = re.compile(GUID)
_Guid = Annotated[str, Meta(pattern=rf"\A{GUID}\Z")]
_PARTS_OF_A_JWT = 3


class _Claims(msgspec.Struct, frozen=True):
    """The claims of a Teams user's token that the exchange reads."""

    appid: _Guid
    oid: _Guid
    exp: int | float


class TeamsToken(msgspec.Struct, frozen=True):
    """A Teams user's token that is valid."""

    app_id: str
    user_id: str
    expires: int
    """In ticks (see `timestamps`)."""


def token_to_exchange(body: JsonObject, version: IdentityVersion, now: int) -> TeamsToken:
    """Return the token in a request, valid at `now`.

    Raises ServiceError, in the recorded order, if there is none, if it is malformed or has
    expired, or if it is not of the application and the user that the request names.
    """
    token = bodies.text(body, "token")
    if token is None:
        raise problems.no_teams_token()
    teams_token = _parse(token, now)
    app_id, user_id = bodies.text(body, "appId"), bodies.text(body, "userId")
    if "appId" in version.exchange:
        _check_names(app_id, user_id, teams_token)
        return teams_token
    for member, value in (("appId", app_id), ("userId", user_id)):
        if value is not None:
            raise problems.not_in_version(member, version.name)
    return teams_token


def _check_names(app_id: str | None, user_id: str | None, teams_token: TeamsToken) -> None:
    if not app_id:
        raise problems.missing("AppId")
    if not user_id:
        raise problems.missing("UserId")
    if _GUID.fullmatch(app_id) is None:
        raise problems.invalid("Provided AppId has invalid format.", "appId")
    if _GUID.fullmatch(user_id) is None:
        raise problems.invalid("Provided UserId has invalid format.", "userId")
    if app_id.lower() != teams_token.app_id.lower():
        raise problems.invalid("AAD application is not the expected one.", "appId")
    if user_id.lower() != teams_token.user_id.lower():
        raise problems.invalid("Provided AAD token issued for unexpected user.", "userId")


def _parse(token: str, now: int) -> TeamsToken:
    parts = token.split(".")
    try:
        if len(parts) != _PARTS_OF_A_JWT:
            raise ValueError("not a JWT")
        msgspec.json.decode(_decoded(parts[0]), type=dict[str, Any])
        claims = msgspec.json.decode(_decoded(parts[1]), type=_Claims)
        expires = int(claims.exp * TICKS_PER_SECOND)
    # msgspec's errors are ValueErrors; OverflowError and RecursionError are not.
    except (ValueError, OverflowError, RecursionError):
        raise problems.bad_teams_token() from None
    if expires <= now or not timestamps.in_range(expires):
        raise problems.bad_teams_token()
    return TeamsToken(claims.appid, claims.oid, expires)


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
