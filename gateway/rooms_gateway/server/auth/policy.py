"""The policy: callers, the identities that authenticate them, and their permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rooms_gateway.server.auth.jwt import JwtRules, Key


class Proof(StrEnum):
    """Ways in which a caller can be authenticated."""

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of a proof
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of the policy."""

    name: str
    """The operator's name for it, safe for logs and for the caller to see."""
    allowed: frozenset[str]
    """RPCs, as on the wire: `/package.Service/Method`."""
    proofs: frozenset[Proof] = frozenset()
    resources: frozenset[str] | None = None
    """Names of the resources that it may use; None: all."""
    default_resource: str | None = None
    """The resource of its calls that name none; None: the default of the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A valid policy. Each identity belongs to one caller; callers that are not in it are denied.

    Policies are equal if all their files, keys and tokens included, mean the same.
    """

    callers: Mapping[str, Caller]
    by_uri: Mapping[str, Caller] = field(default_factory=dict)
    """By URI SAN of the client certificate, SPIFFE ids included."""
    by_dns: Mapping[str, Caller] = field(default_factory=dict)
    """By DNS SAN of the client certificate, in lower case."""
    by_subject: Mapping[str, Caller] = field(default_factory=dict)
    """By the value of `jwt.claim`."""
    by_digest: Mapping[bytes, Caller] = field(default_factory=dict, repr=False)
    """By the SHA-256 of a static token."""
    of_sockets: Caller | None = None
    """The caller of connections over a Unix socket that present no token."""
    jwt: JwtRules | None = None
    keys: tuple[Key, ...] = ()
    """Keys in `jwt.keys_file`."""

    @property
    def accepts_tokens(self) -> bool:
        """Whether a bearer token can authenticate a caller."""
        return self.jwt is not None or bool(self.by_digest)

    @property
    def proofs(self) -> frozenset[Proof]:
        """All proofs by which at least one caller can be authenticated."""
        return frozenset().union(*(caller.proofs for caller in self.callers.values()))
