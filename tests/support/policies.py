"""Callers for tests: certificates with names in them, an issuer of JWTs, a policy, and calls."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from support.authority import Authority, Issued
from support.gateways import UNKNOWN_ROOM

ISSUER, AUDIENCE = "https://issuer.example", "rooms-gateway"
STATIC = {
    name: f"canary-static-{name}-0123456789"
    for name in ("reader", "writer", "issuer", "admin", "few")
}

NEWLINE_FREE = re.compile(r"[^\n\r]+")

Metadata = Sequence[tuple[str, str]]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def named(authority: Authority, *, uris: Sequence[str] = (), dns: Sequence[str] = ()) -> Issued:
    """Sign a client certificate with these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.pem)
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
    names += [x509.DNSName(name) for name in dns]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signer: Any = load_pem_private_key(authority.ca.private_key_pem.bytes(), None)
    certificate = builder.sign(signer, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Issued(
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


@dataclass(slots=True)
class Signer:
    """A key of an issuer, and tokens signed with it."""

    kid: str = "one"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    algorithm: str = "ES256"

    @property
    def jwk(self) -> dict[str, Any]:
        """Public key as a JSON Web Key."""
        shown = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.key.public_key())
        return {**json.loads(shown), "kid": self.kid, "use": "sig"}

    @property
    def public_pem(self) -> bytes:
        encoding = serialization.Encoding.PEM
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem: bytes = self.key.public_key().public_bytes(encoding, form)
        return pem

    def claims(self, subject: str = "billing", **others: Any) -> dict[str, Any]:
        standard = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 86_400}
        merged = {**standard, **others}
        return {name: value for name, value in merged.items() if value is not None}

    def token(self, subject: str = "billing", **others: Any) -> str:
        """Return a signed token; a claim of `None` is omitted."""
        return jwt.encode(
            self.claims(subject, **others), self.key, self.algorithm, headers={"kid": self.kid}
        )


def key_set(*signers: Signer) -> str:
    return json.dumps({"keys": [signer.jwk for signer in signers]})


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Return a token of these parts, encoded as they are."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """A policy and its files, in a folder."""

    folder: Path

    @property
    def policy(self) -> Path:
        return self.folder / "policy.toml"

    def write(self, text: str) -> PolicyFiles:
        _replace(self.policy, text, 0o644)
        return self

    def write_tokens(self, tokens: dict[str, str]) -> PolicyFiles:
        """Write tokens, by caller."""
        lines = "".join(f"{name} {token}\n" for name, token in tokens.items())
        _replace(self.folder / "tokens", lines, 0o600)
        return self

    def write_keys(self, *signers: Signer) -> PolicyFiles:
        _replace(self.folder / "keys.json", key_set(*signers), 0o644)
        return self


def _replace(path: Path, text: str, mode: int) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)


def jwt_table(keys: str = 'keys-file = "keys.json"') -> str:
    return f'[jwt]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n{keys}\n'


@dataclass(slots=True)
class KeyServer:
    """Publishes a key set over HTTP."""

    signers: list[Signer]
    url: str = ""
    requests: int = 0
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    async def respond(self, _: web.Request) -> web.Response:
        self.requests += 1
        body = key_set(*self.signers).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, headers=self.headers)


@asynccontextmanager
async def publishing(*signers: Signer) -> AsyncIterator[KeyServer]:
    """Serve the keys of `signers` on a free port."""
    server = KeyServer([*signers])
    app = web.Application()
    app.router.add_get("/keys", server.respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    try:
        yield server
    finally:
        await runner.cleanup()


async def get(channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
    """Get an unknown room: an authorized caller receives ERROR_REASON_ROOM_NOT_FOUND."""
    stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
    await stub.GetRoom(GetRoomRequest(room_id=UNKNOWN_ROOM), metadata=tuple(metadata))
