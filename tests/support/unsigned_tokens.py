"""JWTs with any claims, in the form of access tokens, without a valid signature."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping

_HEADER = b'{"alg":"RS256","typ":"JWT"}'


def base64url(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def unsigned_token(claims: Mapping[str, object] | bytes) -> str:
    """Return a JWT with `claims`, given as an object or as the bytes of the payload."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{base64url(_HEADER)}.{base64url(payload)}.c2lnbmF0dXJl"
