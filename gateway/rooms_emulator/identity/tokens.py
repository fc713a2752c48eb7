"""Access tokens: well-formed JWTs that say themselves that they are emulated.

The claims are those of real tokens, as published samples show them, and ``iss``, which real ones
do not have. Nothing in the emulator accepts such a token.
"""

import hashlib
import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

import msgspec

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.timestamps import TICKS_PER_SECOND

ISSUER: Final = "rooms-gateway-emulator"

# What real tokens of communication users have, whatever their scopes.
_SKYPE_SCOPE: Final = 1792
# Never a key that somebody chose: whoever gets a token may guess at what signed it, for ever.
_KEY: Final = b64decode(DEVELOPMENT_KEY)


class Header(msgspec.Struct, frozen=True):
    """The first part: how the token is signed."""

    alg: str = "HS256"
    kid: str = ISSUER
    typ: str = "JWT"


class Claims(msgspec.Struct, frozen=True, rename="camel"):
    """The second part: whose token it is, what it is for, and until when; instants in seconds."""

    skypeid: str
    scp: int
    csi: str
    exp: int
    acs_scope: str
    resource_id: str
    iat: int
    iss: str = ISSUER


def make(raw_id: str, scopes: Sequence[str], issued: int, expires: int) -> str:
    """Make a token.

    Args:
        raw_id: the raw id of a communication user.
        scopes: what the token is for.
        issued: when it was issued, in ticks (see ``timestamps``).
        expires: when it expires, in ticks.

    """
    begin = issued // TICKS_PER_SECOND
    skype_id = raw_id.partition(":")[2]
    claims = Claims(
        skypeid=skype_id,
        scp=_SKYPE_SCOPE,
        csi=str(begin),
        exp=expires // TICKS_PER_SECOND,
        acs_scope=",".join(scopes),
        resource_id=skype_id.removeprefix("acs:").partition("_")[0],
        iat=begin,
    )
    signed = b".".join(_base64(msgspec.json.encode(part)) for part in (Header(), claims))
    signature = _base64(hmac.digest(_KEY, signed, hashlib.sha256))
    return b".".join((signed, signature)).decode("ascii")


def _base64(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")
