"""The server's TLS: which files it is made of, and whether they can be served with.

Without grpc, so that settings are checked and `--help` is printed without it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from rooms_gateway.server.tls.pem import check_authorities, check_validity, load_pair, read_pem


class TlsError(Exception):
    """Files that no TLS can be spoken with."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        """One sentence for each fault; none repeats anything of a key."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the server's certificate is, and whose clients may call. All are PEM."""

    certificate: Path
    """The server's certificate, then those between it and its authority."""
    key: Path
    """Its private key, not encrypted."""
    client_ca: Path | None = None
    """Who signs the certificates of clients; None: clients need none."""


@dataclass(frozen=True, slots=True)
class TlsContent:
    """What the files hold."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


def tls_faults(
    certificate: Path | None, key: Path | None, client_ca: Path | None, *, now: float
) -> list[str]:
    """Return what is wrong with the three flags and with what is in their files.

    `now` is in seconds since 1970.
    """
    if certificate is not None and key is not None:
        files = TlsFiles(certificate, key, client_ca)
        try:
            check_tls(files, read_tls(files), now=now)
        except TlsError as error:
            return error.faults
    elif certificate is not None:
        return ["--tls-cert needs --tls-key, the private key of the certificate"]
    elif key is not None:
        return ["--tls-key needs --tls-cert, the certificate of the key"]
    elif client_ca is not None:
        return ["--tls-client-ca needs --tls-cert and --tls-key: without them nothing is encrypted"]
    return []


def read_tls(files: TlsFiles) -> TlsContent:
    """Read the files as they are. Raises TlsError with every file that cannot be read."""
    paths = {
        "--tls-cert": files.certificate,
        "--tls-key": files.key,
        "--tls-client-ca": files.client_ca,
    }
    read: dict[str, bytes] = {}
    faults = []
    for flag, path in paths.items():
        if path is None:
            continue
        try:
            read[flag] = read_pem(path)
        except ValueError as fault:
            faults.append(f"{flag}: {fault}")
    if faults:
        raise TlsError(faults)
    return TlsContent(read["--tls-cert"], read["--tls-key"], read.get("--tls-client-ca"))


def check_tls(files: TlsFiles, content: TlsContent, *, now: float) -> float:
    """Return when the certificate in `content`, read from `files`, ends, in seconds since 1970.

    `now` is in the same seconds. Raises TlsError with every fault.
    """
    faults = []
    expires = 0.0
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            load_pair(context, files.certificate, files.key)
        finally:
            _refuse_changed(files, content)
        expires = check_validity(context, files.certificate, content.certificate, now)
    except ValueError as fault:
        faults.append(str(fault))
    if files.client_ca is not None and content.client_ca is not None:
        try:
            check_authorities(content.client_ca, files.client_ca, now)
        except ValueError as fault:
            faults.append(f"--tls-client-ca: {fault}")
    if faults:
        raise TlsError(faults)
    return expires


def _refuse_changed(files: TlsFiles, content: TlsContent) -> None:
    """Raise TlsError if the files hold something else than `content` by now.

    OpenSSL reads the pair from the files by itself: what it has proved must be what is served.
    """
    if read_tls(files) != content:
        raise TlsError(["the files of TLS changed while they were read"])
