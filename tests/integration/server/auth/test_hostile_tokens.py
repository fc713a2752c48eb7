"""Invalid tokens: each is rejected, causes no REST request, and is not repeated."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.gateways import failure_of, gateway_for
from support.policies import (
    AUDIENCE,
    ISSUER,
    STATIC,
    Metadata,
    PolicyFiles,
    Signer,
    bearer,
    get,
    jwt_table,
    unsigned,
)

from rooms_emulator import Emulator
from rooms_gateway.server.auth.jwt import LEEWAY, read_keys

POLICY = f"""
tokens-file = "tokens"
{jwt_table()}
[callers.billing]
role = "admin"
subject = "billing"
[callers.reader]
role = "reader"
"""


def _signed_with_the_public_key(signer: Signer) -> str:
    claims = signer.claims()
    bare = unsigned({"alg": "HS256", "kid": "one"}, claims).rpartition(".")[0]
    signature = hmac.digest(signer.public_pem, bare.encode(), hashlib.sha256)
    return unsigned({"alg": "HS256", "kid": "one"}, claims, signature)


def _signed_with_another_key(signer: Signer) -> str:
    return Signer(signer.kid).token()


def _with_embedded_key(signer: Signer) -> str:
    other = Signer()
    return jwt.encode(signer.claims(), other.key, "ES256", headers={"kid": "one", "jwk": other.jwk})


def _with_header(**header: Any) -> Callable[[Signer], str]:
    """Sign with another key, and name its location in the header."""

    def sign(signer: Signer) -> str:
        parts = {"alg": "ES256", "kid": signer.kid, **header}
        bare = unsigned(parts, signer.claims()).rpartition(".")[0]
        signature = jwt.get_algorithm_by_name("ES256").sign(bare.encode(), Signer().key)
        return unsigned(parts, signer.claims(), signature)

    return sign


def _with_changed_claims(signer: Signer) -> str:
    header, _, signature = signer.token().split(".")
    claims = unsigned({}, signer.claims("admin")).split(".")[1]
    return f"{header}.{claims}.{signature}"


def _without_kid(signer: Signer) -> str:
    return jwt.encode(signer.claims(), ec.generate_private_key(ec.SECP256R1()), "ES256")


def _deep(signer: Signer) -> str:
    return unsigned({"alg": "ES256", "kid": signer.kid}, {"a": [[[[]]]]}) + "A" * 4000


JWTS: dict[str, tuple[Callable[[Signer], str], str]] = {
    "alg none": (
        lambda s: unsigned({"alg": "none", "kid": "one"}, s.claims()),
        "its signature algorithm or key",
    ),
    "alg none without kid": (
        lambda s: unsigned({"alg": "none"}, s.claims()),
        "its signature algorithm or key",
    ),
    "HS256 with the public key": (_signed_with_the_public_key, "its signature algorithm or key"),
    "another algorithm": (
        lambda s: unsigned({"alg": "ES512", "kid": s.kid}, s.claims()),
        "its signature algorithm or key",
    ),
    "another key": (_signed_with_another_key, "it is not known to this"),
    "another key, no kid": (_without_kid, "it is not known to this"),
    "an embedded key": (_with_embedded_key, "it is not known to this"),
    "an unknown kid": (lambda s: Signer("two", s.key).token(), "its signing key is not"),
    "a kid that is a path": (_with_header(kid="../../../../dev/null"), "its signing key is not"),
    "a kid that is an address": (_with_header(kid="http://127.0.0.1:1/"), "its signing key is not"),
    "a kid that is a query": (_with_header(kid="' OR 1=1 --"), "its signing key is not"),
    "an empty kid": (_with_header(kid=""), "its signing key is not"),
    "a kid that is a number": (_with_header(kid=0), "it is not known to this"),
    "a kid that is a list": (_with_header(kid=["one"]), "it is not known to this"),
    "an algorithm that is a list": (_with_header(alg=["ES256"]), "its signature algorithm or key"),
    "an algorithm that is an object": (_with_header(alg={}), "its signature algorithm or key"),
    "alg None": (_with_header(alg="None"), "its signature algorithm or key"),
    "a key set URL (jku)": (_with_header(jku="http://127.0.0.1:1/"), "it is not known to this"),
    "a certificate URL (x5u)": (
        _with_header(x5u="http://127.0.0.1:1/"),
        "it is not known to this",
    ),
    "a critical extension": (_with_header(crit=["exp"]), "it is not known to this"),
    "changed claims": (_with_changed_claims, "it is not known to this"),
    "expired": (lambda s: s.token(exp=time.time() - LEEWAY - 5), "has expired"),
    "not yet valid": (lambda s: s.token(nbf=time.time() + LEEWAY + 60), "is not valid yet"),
    "no exp": (lambda s: s.token(exp=None), "lacks one of"),
    "exp of text": (lambda s: s.token(exp="never"), "it is not known to this"),
    "exp of infinity": (lambda s: s.token(exp=float("inf")), "it is not known to this"),
    "another audience": (lambda s: s.token(aud="others"), "is for another audience"),
    "no audience": (lambda s: s.token(aud=None), "lacks one of"),
    "another issuer": (lambda s: s.token(iss=f"{ISSUER}/"), "is from another issuer"),
    "no subject": (lambda s: s.token(sub=None), "has no claim sub"),
    "three malformed parts": (lambda _: "canary.canary.canary", "it is not known to this"),
    "a header that is no object": (lambda _: "W10.W10.canary", "it is not known to this"),
    "empty parts": (lambda _: "..", "it is not known to this"),
    "deep and long": (_deep, "it is not known to this"),
}

HEADERS: dict[str, Metadata] = {
    "no token": (("authorization", "Bearer"),),
    "blank": (("authorization", "Bearer  "),),
    "another scheme": (("authorization", "Basic Y2FuYXJ5OmNhbmFyeQ=="),),
    "no scheme": (("authorization", STATIC["reader"]),),
    "not a token": bearer('canary"canary'),
    "two tokens in one": bearer(f"{STATIC['reader']}, {STATIC['reader']}"),
    "two good headers": (*bearer(STATIC["reader"]), *bearer(STATIC["reader"])),
    "the token's hash": bearer(hashlib.sha256(STATIC["reader"].encode()).hexdigest()),
    "half a token": bearer(STATIC["reader"][:-1]),
    # With all other metadata at most 8 KiB: grpc itself rejects some calls above that.
    "almost the metadata limit": bearer("c" * 7400),
    "none": (),
}


async def _rejection(
    files: PolicyFiles, emulator: Emulator, signer: Signer, metadata: Metadata
) -> str:
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]}).write_keys(signer)
    async with gateway_for(emulator, caller_policy=files.policy) as running:
        failed = await failure_of(get(running.channel, metadata))
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "ERROR_REASON_CALLER_UNAUTHENTICATED",
        )
        assert running.requests() == 0
        assert "canary" not in str(failed.status)
    return failed.message


@pytest.mark.proves("S18", "S19", "S20", "S21")
@pytest.mark.parametrize("kind", JWTS)
async def test_invalid_jwt_is_rejected_with_the_cause(
    files: PolicyFiles, emulator: Emulator, signer: Signer, kind: str
) -> None:
    make, cause = JWTS[kind]
    message = await _rejection(files, emulator, signer, bearer(make(signer)))
    assert cause in message
    assert message.endswith(": get a new one")


@pytest.mark.proves("S18", "S20")
@pytest.mark.parametrize("kind", HEADERS)
async def test_invalid_authorization_is_rejected(
    files: PolicyFiles, emulator: Emulator, signer: Signer, kind: str
) -> None:
    await _rejection(files, emulator, signer, HEADERS[kind])


@pytest.mark.proves("S21")
async def test_jwt_within_the_leeway_is_accepted(
    files: PolicyFiles, emulator: Emulator, signer: Signer
) -> None:
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]}).write_keys(signer)
    late = signer.token(exp=time.time() - LEEWAY / 2, aud=["others", AUDIENCE])
    async with gateway_for(emulator, caller_policy=files.policy) as running:
        failed = await failure_of(get(running.channel, bearer(late)))
    assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"


@pytest.mark.proves("S18")
@pytest.mark.parametrize(
    "signer",
    [
        Signer(key=rsa.generate_private_key(65537, 2048), algorithm="RS256"),
        Signer(key=ec.generate_private_key(ec.SECP384R1()), algorithm="ES384"),
    ],
    ids=["RS256", "ES384"],
)
async def test_rsa_and_p384_keys_are_accepted(
    files: PolicyFiles, emulator: Emulator, signer: Signer
) -> None:
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]}).write_keys(signer)
    async with gateway_for(emulator, caller_policy=files.policy) as running:
        failed = await failure_of(get(running.channel, bearer(signer.token())))
    assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"


@pytest.mark.proves("S25")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, {"kty": "oct", "k": "Y2FuYXJ5", "alg": "HS256"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        b'{"keys": [{"kty": ["RSA"], "alg": {}}]}',
        b"[" * 100_000,
    ],
)
def test_jwks_without_a_signing_key_is_rejected(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it (is not|has no)"):
        read_keys(content)
