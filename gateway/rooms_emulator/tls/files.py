"""TLS with a certificate and a key from PEM files. No error repeats the content of a file."""

from __future__ import annotations

import re
import ssl
import stat
import time
from pathlib import Path
from typing import NoReturn

_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)
_KEY = re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----", re.ASCII)

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: an expired certificate is reported with its date."""

_MAX_BYTES = 1 << 20

_STEPS = 10
"""More round trips than a handshake within one process can take."""


def server_context() -> ssl.SSLContext:
    """Return a context for TLS 1.2 and newer, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def context_from_files(
    certificate: Path | None, key: Path | None, now: float | None = None
) -> ssl.SSLContext:
    """Return a context with the certificate and its key, the values of --tls-cert and --tls-key.

    `now` is in seconds since 1970, by default the time of the system. Raises ValueError, with one
    sentence that begins with a flag, if one of both is missing, or clients would reject the pair.
    """
    if certificate is None:
        raise ValueError("--tls-key needs --tls-cert, the certificate of the key")
    if key is None:
        raise ValueError("--tls-cert needs --tls-key, the private key of the certificate")
    chain = _CERTIFICATE.search(_read("--tls-cert", certificate))
    if chain is None:
        raise ValueError(
            f"--tls-cert: there is no certificate in PEM form in {certificate}; convert it with "
            "`openssl x509 -inform der`"
        )
    if _KEY.search(_read("--tls-key", key)) is None:
        raise ValueError(
            f"--tls-key: there is no private key in PEM form in {key}; convert it with "
            "`openssl pkey -inform der`"
        )
    context = server_context()
    _load(context, certificate, key)
    _check_validity(context, certificate, chain[0], time.time() if now is None else now)
    return context


def _read(flag: str, path: Path) -> str:
    try:
        found = path.stat()
        if not stat.S_ISDIR(found.st_mode) and (
            not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES
        ):
            raise ValueError(
                f"{flag}: {path} is no regular file of at most 1 MiB; save the PEM text in one"
            )
        return path.read_text("latin-1")
    except OSError as error:
        raise ValueError(
            f"{flag}: cannot read {path}: {error.strerror}; pass a PEM file that this user can read"
        ) from None


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedKeyError:
        raise ValueError(
            f"--tls-key: {key} is encrypted; decrypt it with `openssl pkey -in {key} -out FILE`"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = (
                f"--tls-key: {key} is not the key of the first certificate in {certificate}; put "
                "the certificate of the server before those of its CA"
            )
        elif error.reason is not None and error.reason.endswith(("TOO_SMALL", "TOO_WEAK")):
            text = f"--tls-cert: the key of {certificate} is too weak; use at least 2048 bits"
        else:
            text = (
                f"--tls-cert and --tls-key: {certificate} and {key} cannot be read as PEM; they "
                "may be damaged, so copy them again"
            )
        raise ValueError(text) from None


def _check_validity(context: ssl.SSLContext, certificate: Path, content: str, now: float) -> None:
    """Check the certificate that `context` serves, `content`, in a handshake in this process."""
    try:
        found = _shake_hands(context, content)
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"--tls-cert: clients would reject {certificate}: {error.verify_message}; make another "
            "certificate, or use --tls-dev"
        ) from None
    except ssl.SSLError:
        raise ValueError(
            f"--tls-cert: a TLS handshake with {certificate} fails; make another certificate, or "
            "use --tls-dev"
        ) from None
    begin, end = found["notBefore"], found["notAfter"]
    if now < ssl.cert_time_to_seconds(begin):
        raise ValueError(
            f"--tls-cert: {certificate} is not valid before {begin}; check the clock of this "
            "machine, or make another certificate"
        )
    if now >= ssl.cert_time_to_seconds(end):
        raise ValueError(
            f"--tls-cert: {certificate} expired on {end}; make another certificate, or use "
            "--tls-dev, which renews its own"
        )


def _shake_hands(context: ssl.SSLContext, content: str) -> dict[str, str]:
    """Return the validity of the certificate as a client that trusts it receives it."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    client.load_verify_locations(cadata=content)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server)
    server_end = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_STEPS):
        for end in (client_end, server_end):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if end is client_end:
                # The declared type is wider than the type of these two values.
                found = client_end.getpeercert() or {}
                return {name: str(found[name]) for name in ("notBefore", "notAfter")}
    raise ssl.SSLError("the handshake does not end")


class _EncryptedKeyError(Exception):
    """A key requires a pass phrase, for which OpenSSL would prompt on the terminal."""


def _no_password() -> NoReturn:
    raise _EncryptedKeyError
