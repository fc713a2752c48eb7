"""The server's TLS files: reading them, and checking that TLS works with them.

Must not import grpc: `--help` and `--config-test` stay fast.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rooms_gateway.server.tls.pem import check_authorities, check_validity, load_pair, read_pem


class TlsError(ValueError):
    """TLS files that cannot be used."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        """One sentence per error; none repeats anything of a key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The PEM files of a listener."""

    certificate: Path
    """The server's certificate, followed by the intermediate certificates of its CA."""
    key: Path
    """Its private key, not encrypted."""
    client_ca: Path | None = None
    """CA certificates that client certificates must chain to; None: no client certificates."""


@dataclass(frozen=True, slots=True)
class TlsContent:
    """Contents of the files."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


def read_tls(files: TlsFiles) -> TlsContent:
    """Read the files without checking them. Raises TlsError with each file that cannot be read."""
    paths = {
        "--tls-cert": files.certificate,
        "--tls-key": files.key,
        "--tls-client-ca": files.client_ca,
    }
    read: dict[str, bytes] = {}
    errors = []
    for flag, path in paths.items():
        if path is None:
            continue
        try:
            read[flag] = read_pem(path)
        except ValueError as error:
            errors.append(f"{flag}: {error}")
    if errors:
        raise TlsError(errors)
    return TlsContent(read["--tls-cert"], read["--tls-key"], read.get("--tls-client-ca"))


class CheckedTls(NamedTuple):
    """TLS files that work."""

    context: ssl.SSLContext
    """Serves the certificate, and requires client certificates if there is a client CA."""
    expires: float
    """Expiry of the certificate, in seconds since the epoch."""


def check_tls(files: TlsFiles, content: TlsContent, *, now: float) -> CheckedTls:
    """Check `content`, read from `files`, by a handshake with the context that it returns.

    `now` is in seconds since the epoch. Raises TlsError with all errors.
    """
    errors = []
    expires = 0.0
    context = _make_context()
    try:
        try:
            load_pair(context, files.certificate, files.key)
        finally:
            _reject_changed(files, content)
        expires = check_validity(context, files.certificate, content.certificate, now)
    except ValueError as error:
        errors.append(str(error))
    if files.client_ca is not None and content.client_ca is not None:
        try:
            check_authorities(content.client_ca, files.client_ca, now)
            context.load_verify_locations(cadata=content.client_ca.decode("ascii", "replace"))
            context.verify_mode = ssl.CERT_REQUIRED
        except ValueError as error:
            errors.append(f"--tls-client-ca: {error}")
    if errors:
        raise TlsError(errors)
    return CheckedTls(context, expires)


def _make_context() -> ssl.SSLContext:
    """Return a context for HTTP/2 (RFC 9113, 9.2): no renegotiation, no CBC, no RSA key exchange.

    Without tickets, each handshake verifies the client's certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["h2"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def _reject_changed(files: TlsFiles, content: TlsContent) -> None:
    """Raise TlsError if `files` no longer contain `content`.

    OpenSSL reads the pair from the files itself: the checked content must be the served one.
    """
    if read_tls(files) != content:
        raise TlsError(["the TLS files changed while they were read"])
