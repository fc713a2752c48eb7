"""The policy: which callers there are, what proves that a call is theirs, and what they may do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rooms_gateway.server.auth.jwt import JwtRules, Key


class Proof(StrEnum):
    """How a caller can show who it is."""

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of a proof
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller."""

    name: str
    """The operator's own, fit for logs and for the caller's eyes."""
    allowed: frozenset[str]
    """RPCs, as on the wire: `/package.Service/Method`."""
    proofs: frozenset[Proof] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whom the gateway knows. Each identity is of one caller; who is not in it may do nothing."""

    callers: Mapping[str, Caller]
    by_uri: Mapping[str, Caller] = field(default_factory=dict)
    """By URI SAN of the client certificate, SPIFFE ids included."""
    by_dns: Mapping[str, Caller] = field(default_factory=dict)
    """By DNS SAN of the client certificate, in lower case."""
    by_subject: Mapping[str, Caller] = field(default_factory=dict)
    """By what the JWT says in the claim of `jwt`."""
    by_digest: Mapping[bytes, Caller] = field(default_factory=dict, repr=False)
    """By the SHA-256 of a static token."""
    of_sockets: Caller | None = None
    """Whoever calls over a Unix socket without a token."""
    jwt: JwtRules | None = None
    keys: tuple[Key, ...] = ()
    """Those of `jwt.keys_file`."""
    version: bytes = b""
    """Changes with what any of the files holds."""

    @property
    def takes_tokens(self) -> bool:
        """Whether a token can prove anything."""
        return self.jwt is not None or bool(self.by_digest)

    @property
    def proofs(self) -> frozenset[Proof]:
        """What can prove anything at all."""
        return frozenset().union(*(caller.proofs for caller in self.callers.values()))


def version_of(*contents: bytes) -> bytes:
    """Return a short value that differs where the contents do."""
    hashed = hashlib.sha256()
    for content in contents:
        hashed.update(hashlib.sha256(content).digest())
    return hashed.digest()
