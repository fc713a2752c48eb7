"""Checks of the files, the group and the libraries that settings name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from rooms_gateway.addresses import find_group
from rooms_gateway.server.auth.policy_check import policy_errors
from rooms_gateway.server.tls.files import TlsError, TlsFiles, check_tls, read_tls
from rooms_gateway.server.tls.pem import check_authorities, read_pem
from rooms_gateway.settings import SettingsError, UpstreamFiles
from rooms_gateway.telemetry.audit.hash_key import read_hash_key
from rooms_gateway.telemetry.audit.writer import check_audit_log
from rooms_gateway.upstream.credentials.key_file import (
    read_client_secret,
    read_key_file,
    read_secret,
)
from rooms_gateway.upstream.route import basic_authorization

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def read_files(
    *,
    emulator: bool = False,
    emulator_faults: Path | None = None,
    upstream_ca: Path | None = None,
    upstream_proxy_credentials_file: Path | None = None,
    access_key_file: Path | None = None,
    entra_client_secret_file: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_client_ca: Path | None = None,
    caller_policy: Path | None = None,
    audit_log: Path | None = None,
    audit_key_file: Path | None = None,
    socket_group: str | None = None,
    listen: tuple[str, ...] = (),
    **_others: object,
) -> UpstreamFiles:
    """Read and check each file that the settings name, and return those of the upstream.

    The arguments are values of settings by name; other settings are ignored. With `emulator`, the
    files of an upstream are not read. Raises SettingsError with all errors.
    """
    errors: list[str] = []
    upstream = UpstreamFiles()
    if not emulator:
        upstream = _read_upstream(
            errors,
            access_key_file,
            entra_client_secret_file,
            upstream_ca,
            upstream_proxy_credentials_file,
        )
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
    return upstream


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
            _read_authorities(Path(name))
        except ValueError as error:
            raise SettingsError([f"SSL_CERT_FILE: {error}"]) from None


def _read_upstream(
    errors: list[str],
    access_key_file: Path | None,
    entra_client_secret_file: Path | None,
    ca_file: Path | None,
    proxy_credentials_file: Path | None,
) -> UpstreamFiles:
    keys: tuple[bytes, ...] = ()
    ca, authorization = None, ""
    if access_key_file is not None:
        with _collect(errors, "--access-key-file"):
            keys = read_key_file(access_key_file)
    if entra_client_secret_file is not None:
        with _collect(errors, "--entra-client-secret-file"):
            read_client_secret(entra_client_secret_file)
    if ca_file is not None:
        with _collect(errors, "--upstream-ca"):
            ca = _read_authorities(ca_file)
    if proxy_credentials_file is not None:
        with _collect(errors, "--upstream-proxy-credentials-file"):
            authorization = _read_proxy_credentials(proxy_credentials_file)
    return UpstreamFiles(keys, ca, authorization)


def _read_authorities(path: Path) -> str:
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
