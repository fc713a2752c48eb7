"""The files of a resource's upstream, read and checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rooms_gateway.server.tls.pem import check_authorities, read_pem
from rooms_gateway.settings import SettingsError, Upstream, UpstreamFiles, UpstreamSettings
from rooms_gateway.settings.upstream import make_upstream
from rooms_gateway.upstream.credentials.key_file import (
    read_client_secret,
    read_key_file,
    read_secret,
)
from rooms_gateway.upstream.route import basic_authorization

T = TypeVar("T")


def read_upstream_files(given: UpstreamSettings) -> UpstreamFiles:
    """Read each file that `given` names. Raises SettingsError with all errors, by flag."""
    errors: list[str] = []

    def read(name: str, reader: Callable[[Path], T], default: T) -> T:
        path: Path | None = getattr(given, name)
        if path is None:
            return default
        try:
            return reader(path)
        except ValueError as error:
            errors.append(f"--{name.replace('_', '-')}: {error}")
            return default

    files = UpstreamFiles(
        read("access_key_file", read_key_file, ()),
        read("upstream_ca", read_authorities, None),
        read("upstream_proxy_credentials_file", _read_proxy_credentials, ""),
    )
    # Only checked: it is read again for each token.
    read("entra_client_secret_file", read_client_secret, "")
    if errors:
        raise SettingsError(errors)
    return files


def read_upstream(given: UpstreamSettings) -> Upstream:
    """Return the upstream of a resource, with the content of its files. Raises SettingsError."""
    upstream = make_upstream(given, read_upstream_files(given))
    if upstream is None:
        raise SettingsError(["--emulator: a named resource cannot be the embedded emulator"])
    return upstream


def read_authorities(path: Path) -> str | None:
    """Return the CA certificates in a file. Raises ValueError."""
    content = read_pem(path)
    check_authorities(content, path, time.time())
    # Comments between the certificates may have any encoding.
    return content.decode("ascii", "ignore")


def _read_proxy_credentials(path: Path) -> str:
    text = read_secret(path)
    try:
        return basic_authorization(text)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
