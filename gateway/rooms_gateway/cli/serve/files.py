"""Checks of the files, the group and the libraries that settings name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from rooms_gateway.addresses import find_group
from rooms_gateway.resources.upstream_files import read_authorities
from rooms_gateway.server.auth.policy_check import policy_errors
from rooms_gateway.server.tls.files import TlsError, TlsFiles, check_tls, read_tls
from rooms_gateway.settings import SettingsError
from rooms_gateway.telemetry.audit.hash_key import read_hash_key
from rooms_gateway.telemetry.audit.writer import check_audit_log

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def check_files(
    *,
    emulator_faults: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_client_ca: Path | None = None,
    caller_policy: Path | None = None,
    audit_log: Path | None = None,
    audit_key_file: Path | None = None,
    socket_group: str | None = None,
    listen: tuple[str, ...] = (),
    **_others: object,
) -> None:
    """Check each file that the settings name, except those of the upstream.

    The arguments are values of settings by name; other settings are ignored. Raises SettingsError
    with all errors.
    """
    errors: list[str] = []
    if tls_cert is not None and tls_key is not None:
        files = TlsFiles(tls_cert, tls_key, tls_client_ca)
        try:
            check_tls(files, read_tls(files), now=time.time())
        except TlsError as error:
            errors += error.errors
    errors += policy_errors(caller_policy, listen, asks_clients=tls_client_ca is not None)
    if audit_log is not None:
        with _collect(errors, "--audit-log"):
            check_audit_log(audit_log)
    if audit_key_file is not None:
        with _collect(errors, "--audit-key-file"):
            read_hash_key(audit_key_file)
    if socket_group is not None:
        with _collect(errors, "--socket-group"):
            find_group(socket_group)
    if emulator_faults is not None:
        with _collect(errors, "--emulator-faults"):
            _check_faults(emulator_faults)
    if errors:
        raise SettingsError(errors)


def check_tracing(environment: Mapping[str, str]) -> None:
    """Raise SettingsError if `--traces` lacks its libraries or a valid endpoint.

    The other OTEL_* variables are OpenTelemetry's to check. No error repeats a value, because a URL
    may contain a password.
    """
    if not _tracing_installed():
        raise SettingsError(
            ["--traces needs OpenTelemetry's libraries: pip install 'rooms-gateway[otel]'"]
        )
    errors = [
        f"{name} must be http://HOST:PORT or https://HOST:PORT of an OTLP/gRPC receiver, by "
        "convention port 4317, without a path"
        for name in _ENDPOINTS
        if (url := environment.get(name, "").strip()) and not _is_origin(url)
    ]
    if errors:
        raise SettingsError(errors)


def check_system_authorities(environment: Mapping[str, str]) -> None:
    """Raise SettingsError if OpenSSL's SSL_CERT_FILE, which it ignores then, is unusable."""
    if name := environment.get("SSL_CERT_FILE"):
        try:
            read_authorities(Path(name))
        except ValueError as error:
            raise SettingsError([f"SSL_CERT_FILE: {error}"]) from None


@contextmanager
def _collect(errors: list[str], flag: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        errors.append(f"{flag}: {error}")


def _check_faults(file: Path) -> None:
    # Imported here: most invocations need no emulator.
    from rooms_emulator import (
        Emulator,
        FaultPlan,
    )

    Emulator(faults=FaultPlan.from_file(file))


def _tracing_installed() -> bool:
    try:
        return all(
            find_spec(name)
            for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.grpc")
        )
    except ModuleNotFoundError:
        return False


def _is_origin(text: str) -> bool:
    try:
        url = urlsplit(text)
        return bool(
            url.scheme in {"http", "https"}
            and url.hostname
            and url.port != 0
            and "@" not in url.netloc
            and url.path in {"", "/"}
            and not url.query
            and not url.fragment
        )
    except ValueError:
        return False
