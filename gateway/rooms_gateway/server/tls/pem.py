"""Checks of PEM files with certificates and keys: what they contain, and whether TLS works with it.

Imports only the standard library. No error repeats the content of a file.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import NoReturn

from rooms_gateway.files import read_content

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)
_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: times are checked against `now`, not the system clock."""

_STEPS = 10
"""More round trips than a handshake within one process can take."""


def read_pem(path: Path) -> bytes:
    """Read a file. Raises ValueError, with one sentence that does not repeat the content."""
    return read_content(path).data


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a certificate and its key into `context`.

    Raises ValueError, with one sentence that begins with the flag, if they are not a pair of PEM
    files that belong together.
    """
    try:
        if _CERTIFICATE.search(_read_flag("--tls-cert", certificate)) is None:
            raise ValueError(f"--tls-cert: there is no certificate in PEM form in {certificate}")
        if _KEY.search(_read_flag("--tls-key", key)) is None:
            raise ValueError(f"--tls-key: there is no private key in PEM form in {key}")
        context.load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedKeyError:
        raise ValueError(
            f"--tls-key: {key} is encrypted: store it decrypted, readable for the gateway alone"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"--tls-key: {key} is not the key of the certificate in {certificate}"
        elif error.reason is not None and error.reason.endswith(("TOO_SMALL", "TOO_WEAK")):
            text = f"--tls-cert: the key of {certificate} is too weak: use at least 2048 bits"
        else:
            text = f"--tls-cert and --tls-key: {certificate} and {key} cannot be read as PEM"
        raise ValueError(text) from None
    except OSError as error:
        raise ValueError(f"--tls-cert and --tls-key: {error.strerror}") from None


def check_validity(context: ssl.SSLContext, certificate: Path, content: bytes, now: float) -> float:
    """Return the expiry of the certificate that `context` serves, in seconds since the epoch.

    The check is a handshake within the process. `content` is that of the file `certificate`. Raises
    ValueError, with one sentence that begins with the flag, if clients would reject the certificate
    or it is not valid at `now`.
    """
    try:
        found = _shake_hands(context, content)
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"--tls-cert: clients would reject {certificate}: {error.verify_message}"
        ) from None
    except ssl.SSLError:
        raise ValueError(f"--tls-cert: a TLS handshake with {certificate} fails") from None
    begin, end = found["notBefore"], found["notAfter"]
    if now < ssl.cert_time_to_seconds(begin):
        raise ValueError(f"--tls-cert: {certificate} is not valid before {begin}")
    expires = ssl.cert_time_to_seconds(end)
    if now >= expires:
        raise ValueError(f"--tls-cert: {certificate} expired on {end}")
    return expires


def check_authorities(content: bytes, path: Path, now: float) -> None:
    """Raise ValueError, with one sentence, if `content` has no valid CA certificate."""
    found = _CERTIFICATE.findall(content)
    if not found:
        raise ValueError(f"there is no certificate in PEM form in {path}")
    if len(found) != content.count(b"-----BEGIN CERTIFICATE-----"):
        raise ValueError(f"{path} is truncated or damaged")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except ssl.SSLError:
        raise ValueError(f"{path} cannot be read as PEM") from None
    ends = [str(known["notAfter"]) for known in context.get_ca_certs()]
    if ends and all(now >= ssl.cert_time_to_seconds(end) for end in ends):
        raise ValueError(f"all certificates in {path} have expired, the last on {ends[-1]}")


def _shake_hands(context: ssl.SSLContext, content: bytes) -> dict[str, str]:
    """Return the validity of the certificate as a client that trusts it receives it."""
    leaf = _CERTIFICATE.search(content)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    client.load_verify_locations(cadata=(leaf[0] if leaf else b"").decode("ascii"))
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


def _read_flag(flag: str, path: Path) -> bytes:
    try:
        return read_pem(path)
    except ValueError as error:
        raise ValueError(f"{flag}: {error}") from None


class _EncryptedKeyError(Exception):
    """A key requires a pass phrase, for which OpenSSL would prompt on the terminal."""


def _no_password() -> NoReturn:
    raise _EncryptedKeyError
