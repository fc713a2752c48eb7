"""Settings of the credential for the upstream, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Access keys of the resource."""

    keys: tuple[bytes, ...] = field(repr=False)
    """Decoded; one or two, the preferred one first."""
    file: Path | None = None
    """The file that contains the keys, reloaded when it changes; None: the keys are fixed."""


class EntraKind(StrEnum):
    """Sources of Microsoft Entra ID tokens, by their names on the command line."""

    DEFAULT = "default"
    MANAGED_IDENTITY = "managed-identity"
    WORKLOAD_IDENTITY = "workload-identity"
    CLIENT_SECRET = "client-secret"  # noqa: S105 - the name of a kind, not a secret


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """A Microsoft Entra ID identity. azure-identity has defaults for values that are None."""

    kind: EntraKind
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret_file: Path | None = None
    """Read again for each token, so that a new secret needs no restart."""
    authority_host: str | None = None
    """An https:// URL; None: the public cloud."""


CredentialSettings = KeySettings | EntraSettings
