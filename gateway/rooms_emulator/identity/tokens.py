"""Access tokens: well-formed JWTs with an issuer that shows that they are emulated.

The claims are those of published sample tokens, and `iss`, which real tokens do not have. The
emulator itself accepts no such token.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.timestamps import TICKS_PER_SECOND

ISSUER = "rooms-gateway-emulator"
TEAMS_SCOPES = ("chat", "voip")
"""Scopes of the tokens of Teams users."""

# The `scp` of real tokens of communication users, whatever their scopes.
_SKYPE_SCOPE = 1792
_REGION, _LOCATION = "amer", "unitedstates"
# Never the configured access key, which a holder of a token could then guess offline.
_KEY = b64decode(DEVELOPMENT_KEY)


class Header(msgspec.Struct, frozen=True):
    """Header of the JWT."""

    alg: str = "HS256"
    kid: str = ISSUER
    x5t: str = ISSUER
    typ: str = "JWT"


class Claims(msgspec.Struct, frozen=True, rename="camel"):
    """Claims of the JWT; instants are in seconds since 1970."""

    skypeid: str
    scp: int
    csi: str
    exp: int
    rgn: str
    acs_scope: str
    resource_id: str
    resource_location: str
    iat: int
    iss: str = ISSUER


def make(raw_id: str, resource: str, scopes: Sequence[str], issued: int, expires: int) -> str:
    """Return a token of a resource for a user; `issued` and `expires` are in ticks."""
    issued_seconds = issued // TICKS_PER_SECOND
    claims = Claims(
        skypeid=raw_id.partition(":")[2],
        scp=_SKYPE_SCOPE,
        csi=str(issued_seconds),
        exp=expires // TICKS_PER_SECOND,
        rgn=_REGION,
        acs_scope=",".join(scopes),
        resource_id=resource,
        resource_location=_LOCATION,
        iat=issued_seconds,
    )
    signed = b".".join(_base64(msgspec.json.encode(part)) for part in (Header(), claims))
    signature = _base64(hmac.digest(_KEY, signed, hashlib.sha256))
    return b".".join((signed, signature)).decode("ascii")


def _base64(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")
