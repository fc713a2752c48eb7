"""JSON Web Tokens, checked with PyJWT: the only module that knows that library.

It is an optional extra, so nothing of it is imported before a policy asks for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LEEWAY = 30.0
"""Seconds by which the clocks of an issuer and of this machine may differ."""

MISSING = "needs the PyJWT library: pip install 'rooms-gateway[jwt]'"

ALGORITHMS: dict[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""What a key of each type may have signed with. Only signatures by private keys: RFC 8725, 3.1."""

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

MAX_KEYS = 100
"""Issuers publish two or three."""


@dataclass(frozen=True, slots=True)
class JwtRules:
    """Which tokens are taken, and what in them names the caller."""

    issuer: str
    audience: tuple[str, ...]
    """One of these must be in the token's `aud`."""
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
    """A token that proves nothing. Its text is fit for the caller, and repeats nothing of it."""


class UnknownKeyError(InvalidTokenError):
    """A token that names a key which is not among those at hand: they may have been rotated."""


def is_installed() -> bool:
    """Say whether tokens can be checked at all."""
    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def read_keys(content: bytes) -> tuple[Key, ...]:
    """Read a JSON Web Key Set (RFC 7517, section 5); what cannot check signatures is left out.

    Raises ValueError, with the end of a sentence, if nothing remains.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(document, dict) or not isinstance(found := document.get("keys"), list):
        raise ValueError(  # noqa: TRY004 - the content is wrong, not a type of ours
            'is not a JSON Web Key Set: it has no array "keys"'
        )
    if len(found) > MAX_KEYS:
        raise ValueError(f"has more than {MAX_KEYS} keys")
    keys = tuple(key for each in found if (key := _read_key(each)) is not None)
    if not keys:
        raise ValueError("has no public key that checks signatures (RSA, EC or Ed25519)")
    return keys


def _read_key(found: object) -> Key | None:
    import jwt  # noqa: PLC0415 - see the module's docstring

    if not isinstance(found, dict) or found.get("use", "sig") != "sig":
        return None
    kty, kid = found.get("kty"), found.get("kid")
    # A private key has no business in a set that is published, but its public half will do.
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


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def verified_name(token: str, keys: tuple[Key, ...], rules: JwtRules) -> str:
    """Return what the claim of `rules` names, once signature, time, issuer and audience are right.

    Raises InvalidTokenError; UnknownKeyError if newer keys might help.
    """
    import jwt  # noqa: PLC0415 - see the module's docstring

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidTokenError("it is not one that this gateway knows") from None
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
        raise InvalidTokenError(_why(error)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidTokenError("its claims cannot be read") from None
    name = claims.get(rules.claim)
    if not isinstance(name, str) or not name:
        raise InvalidTokenError(f"it has no claim {rules.claim}")
    return name


def _key_for(header: dict[str, Any], keys: tuple[Key, ...]) -> Key:
    """Return the key that a token names, or the only one that there is."""
    kid, algorithm = header.get("kid"), header.get("alg")
    fitting = [key for key in keys if kid is None or key.kid == kid]
    if kid is not None and not fitting:
        raise UnknownKeyError("it is signed with a key that this gateway does not have")
    # Whoever makes up a token can put anything there, also what no set can be asked for.
    known = isinstance(algorithm, str)
    fitting = [key for key in fitting if known and algorithm in key.algorithms]
    if len(fitting) != 1:
        # None fits the algorithm, or several fit a token that names none of them.
        raise InvalidTokenError("it is not signed in a way that this gateway takes")
    return fitting[0]


def _why(error: Exception) -> str:
    # By name: these are looked at after the signature was found right, so they help no stranger.
    return _REASONS.get(type(error).__name__, "it is not one that this gateway knows")


_REASONS = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it is not valid yet",
    "InvalidAudienceError": "it is for another audience",
    "InvalidIssuerError": "it is from another issuer",
    "MissingRequiredClaimError": "it lacks one of the claims exp, iss and aud",
}
