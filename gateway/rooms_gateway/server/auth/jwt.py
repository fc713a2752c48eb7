"""JSON Web Tokens, verified with PyJWT: the only module that imports it.

PyJWT is an optional dependency, so it is imported only when a policy has a table [jwt].
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LEEWAY = 30.0
"""Accepted difference between the clocks of the issuer and the gateway, in seconds."""

MISSING = "requires the PyJWT library: pip install 'rooms-gateway[jwt]'"

MAX_KEYS = 100
"""Maximum size of a JWKS; issuers publish two or three keys."""

ALGORITHMS: dict[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""Accepted algorithms by key type: signatures by private keys only (RFC 8725, section 3.1)."""

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that contain secrets (RFC 7518, section 6)."""

_REASONS = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it is not valid yet",
    "InvalidAudienceError": "it is for another audience",
    "InvalidIssuerError": "it is from another issuer",
    "MissingRequiredClaimError": "it lacks one of the claims exp, iss and aud",
}
"""PyJWT checks these after the signature, so that forged tokens learn nothing from them."""

_UNKNOWN = "it is not known to this gateway"


@dataclass(frozen=True, slots=True)
class JwtRules:
    """Which tokens are accepted, and which claim names the caller."""

    issuer: str
    audience: tuple[str, ...]
    """At least one of these must be in the token's `aud`."""
    claim: str = "sub"
    keys_file: Path | None = None
    keys_url: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of the issuer."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any


class InvalidTokenError(Exception):
    """The token is rejected. The text is for the caller, and repeats nothing of the token."""


class UnknownKeyError(InvalidTokenError):
    """The token's signing key is not in the JWKS; the keys may have been rotated."""


def is_installed() -> bool:
    """Return whether the optional dependencies are installed."""
    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def read_keys(content: bytes) -> tuple[Key, ...]:
    """Parse a JWKS (RFC 7517, section 5) and return the keys that can verify signatures.

    Raises ValueError, with one sentence, if there are none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict) or not isinstance(found := document.get("keys"), list):
        raise ValueError(  # noqa: TRY004 - the content is wrong, not an argument's type
            'it is not a JSON Web Key Set: there is no array "keys"'
        )
    if len(found) > MAX_KEYS:
        raise ValueError(f"it has more than {MAX_KEYS} keys")
    keys = tuple(key for each in found if (key := _read_key(each)) is not None)
    if not keys:
        raise ValueError("it has no public key that verifies signatures (RSA, EC or Ed25519)")
    return keys


def _read_key(found: object) -> Key | None:
    import jwt

    if not isinstance(found, dict) or found.get("use", "sig") != "sig":
        return None
    kty, kid = found.get("kty"), found.get("kid")
    # A JWKS should not contain private keys; of one that does, only the public members are used.
    public = {name: value for name, value in found.items() if name not in _PRIVATE}
    algorithms = ALGORITHMS.get(kty, frozenset()) if isinstance(kty, str) else frozenset()
    if kty == "EC":
        algorithms &= {_CURVES.get(str(found.get("crv")), "")}
    if found.get("alg") is not None:
        algorithms &= {str(found["alg"])}
    if not algorithms:
        return None
    try:
        key = jwt.PyJWK(public, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    return Key(kid if isinstance(kid, str) else None, algorithms, key)


def verified_name(token: str, keys: tuple[Key, ...], rules: JwtRules) -> str:
    """Verify a token's signature, times, issuer and audience, and return the claim of `rules`.

    Raises InvalidTokenError; UnknownKeyError if newer keys may verify the token.
    """
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError(_UNKNOWN) from None
    key = _key_for(header, keys)
    try:
        claims = jwt.decode(
            token,
            key=key.key,
            algorithms=sorted(key.algorithms),
            audience=rules.audience,
            issuer=rules.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise InvalidTokenError(_REASONS.get(type(error).__name__, _UNKNOWN)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidTokenError("its claims are malformed") from None
    name = claims.get(rules.claim)
    if not isinstance(name, str) or not name:
        raise InvalidTokenError(f"it has no claim {rules.claim}")
    return name


def _key_for(header: dict[str, Any], keys: tuple[Key, ...]) -> Key:
    """Return the key that a token names, or the only one that fits its algorithm."""
    kid, algorithm = header.get("kid"), header.get("alg")
    candidates = [key for key in keys if kid is None or key.kid == kid]
    if kid is not None and not candidates:
        raise UnknownKeyError("its signing key is not known to this gateway")
    # A forged header can have any JSON value here, also unhashable ones.
    is_text = isinstance(algorithm, str)
    candidates = [key for key in candidates if is_text and algorithm in key.algorithms]
    if len(candidates) != 1:
        # None has the algorithm, or several have it and the token names none of them.
        raise InvalidTokenError("its signature algorithm or key id is not accepted by this gateway")
    return candidates[0]
