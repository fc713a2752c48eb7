"""How the gateway is to prove who it is, as frozen values."""

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
    """Where they come from and are read again when it changes; None: they stay as they are."""


class EntraKind(StrEnum):
    """Where a Microsoft Entra ID token comes from, by the names of the command line."""

    DEFAULT = "default"
    MANAGED_IDENTITY = "managed-identity"
    WORKLOAD_IDENTITY = "workload-identity"
    CLIENT_SECRET = "client-secret"  # noqa: S105 - the name of a kind, not a secret


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """A Microsoft Entra ID identity. What is None is left to the azure-identity library."""

    kind: EntraKind
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret_file: Path | None = None
    """Read for each token, so that a new secret needs no restart."""
    authority_host: str | None = None
    """An https URL, for clouds other than the public one."""


CredentialSettings = KeySettings | EntraSettings
