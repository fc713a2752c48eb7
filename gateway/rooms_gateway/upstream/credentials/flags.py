"""Credentials as the command line and the environment give them, checked as a whole.

No fault ever repeats a key or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rooms_gateway.upstream.credentials.key_file import (
    parse_access_keys,
    read_key_file,
    read_secret,
)
from rooms_gateway.upstream.credentials.settings import (
    CredentialSettings,
    EntraKind,
    EntraSettings,
    KeySettings,
)

CREDENTIALS = "--access-key-file, ROOMS_GATEWAY_ACCESS_KEY or --entra"
"""What goes with --endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraFlags:
    """The flags of the command line that say which identity of Entra ID to use."""

    kind: str | None = None
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret_file: Path | None = None
    authority_host: str | None = None

    @property
    def given(self) -> bool:
        """Whether any flag was."""
        return self != EntraFlags()


def read_credential(
    access_key_file: Path | None, access_key: str | None, entra: EntraFlags
) -> tuple[CredentialSettings | None, list[str]]:
    """Return the credential that was given, None if none was or it has a fault, and all faults.

    `access_key` is the text of one or two keys, as in the file.
    """
    given: list[str] = []
    faults: list[str] = []
    credential: CredentialSettings | None = None
    if access_key_file is not None:
        given.append("--access-key-file")
        try:
            credential = KeySettings(read_key_file(access_key_file), access_key_file)
        except ValueError as fault:
            faults.append(f"--access-key-file: {fault}")
    if access_key is not None:
        given.append("ROOMS_GATEWAY_ACCESS_KEY")
        try:
            credential = KeySettings(parse_access_keys(access_key))
        except ValueError as fault:
            faults.append(f"ROOMS_GATEWAY_ACCESS_KEY: {fault}")
    if entra.given:
        given.append("--entra")
        found = _entra_faults(entra)
        faults += found
        if not found and entra.kind is not None:
            credential = EntraSettings(
                EntraKind(entra.kind),
                client_id=entra.client_id,
                tenant_id=entra.tenant_id,
                client_secret_file=entra.client_secret_file,
                authority_host=entra.authority_host,
            )
    if len(given) > 1:
        faults.append(f"{' and '.join(given)} are {len(given)} credentials: give one of them")
    return None if faults else credential, faults


def _entra_faults(entra: EntraFlags) -> list[str]:
    flags = {
        "--entra-client-id": entra.client_id,
        "--entra-tenant-id": entra.tenant_id,
        "--entra-client-secret-file": entra.client_secret_file,
        "--entra-authority-host": entra.authority_host,
    }
    if entra.kind is None:
        given = next(name for name, value in flags.items() if value is not None)
        return [f"{given} needs --entra, which says where the token comes from"]
    kind = EntraKind(entra.kind)
    faults = [
        f"--entra {kind} needs {name}" for name in _ENTRA_NEEDS.get(kind, ()) if flags[name] is None
    ]
    faults += [
        f"--entra {kind} has no use for {name}"
        for name in _ENTRA_IGNORES.get(kind, ())
        if flags[name] is not None
    ]
    host = entra.authority_host
    if host is not None and (not host.startswith("https://") or not host.isprintable()):
        faults.append("--entra-authority-host must be an https:// URL")
    if entra.client_secret_file is not None:
        try:
            if not read_secret(entra.client_secret_file).strip():
                raise ValueError(f"{entra.client_secret_file} is empty")
        except ValueError as fault:
            faults.append(f"--entra-client-secret-file: {fault}")
    return faults


_ENTRA_NEEDS = {
    EntraKind.CLIENT_SECRET: (
        "--entra-client-id",
        "--entra-tenant-id",
        "--entra-client-secret-file",
    )
}

_ENTRA_IGNORES = {
    EntraKind.DEFAULT: ("--entra-client-secret-file",),
    EntraKind.MANAGED_IDENTITY: (
        "--entra-tenant-id",
        "--entra-client-secret-file",
        "--entra-authority-host",
    ),
    EntraKind.WORKLOAD_IDENTITY: ("--entra-client-secret-file",),
}
