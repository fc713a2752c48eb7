"""PEM files of certificates and keys: what they hold, and whether TLS can be spoken with it.

Knows only the standard library. No fault ever repeats what is in a file.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import NoReturn

MAX_BYTES = 1 << 20
"""A bundle of all public authorities has a quarter of this; it is for a path to something else."""

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)
_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the clock that counts is the caller's."""

_STEPS = 10
"""More than a handshake between two ends in one process can take."""


def read_pem(path: Path) -> bytes:
    """Read a file. Raises ValueError, with one sentence that repeats nothing of what is in it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} does not hold what it should: it is too long")
    return content


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a certificate and its key into `context`.

    Raises ValueError, with one sentence that begins with the flag to blame, if they are not a pair
    of PEM files that belong together.
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
            fault = f"--tls-key: {key} is not the key of the certificate in {certificate}"
        elif error.reason is not None and error.reason.endswith(("TOO_SMALL", "TOO_WEAK")):
            fault = f"--tls-cert: the key of {certificate} is too weak: 2048 bits are the least"
        else:
            fault = f"--tls-cert and --tls-key: {certificate} and {key} cannot be read as PEM"
        raise ValueError(fault) from None
    except OSError as error:
        raise ValueError(f"--tls-cert and --tls-key: {error.strerror}") from None


def check_validity(context: ssl.SSLContext, certificate: Path, content: bytes, now: float) -> float:
    """Return when the certificate that `context` serves with ends, in seconds since 1970.

    Proves it by a handshake with ourselves. `content` is that of the file `certificate`. Raises
    ValueError, with one sentence that begins with the flag to blame, if a client would refuse it,
    or if `now` is not within its time.
    """
    try:
        known = _shake_hands(context, content)
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"--tls-cert: clients would refuse {certificate}: {error.verify_message}"
        ) from None
    except ssl.SSLError:
        raise ValueError(f"--tls-cert: no TLS can be spoken with {certificate}") from None
    begin, end = known["notBefore"], known["notAfter"]
    if now < ssl.cert_time_to_seconds(begin):
        raise ValueError(f"--tls-cert: {certificate} is not valid before {begin}")
    expires = ssl.cert_time_to_seconds(end)
    if now >= expires:
        raise ValueError(f"--tls-cert: {certificate} expired on {end}")
    return expires


def check_authorities(content: bytes, path: Path, now: float) -> None:
    """Raise ValueError, with one sentence, if there is no valid certificate in `content`."""
    found = _CERTIFICATE.findall(content)
    if not found:
        raise ValueError(f"there is no certificate in PEM form in {path}")
    if len(found) != content.count(b"-----BEGIN CERTIFICATE-----"):
        raise ValueError(f"{path} is cut off, or damaged")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=b"\n".join(found).decode("ascii"))
    except ssl.SSLError:
        raise ValueError(f"{path} cannot be read as PEM") from None
    ends = [str(known["notAfter"]) for known in context.get_ca_certs()]
    if ends and all(now >= ssl.cert_time_to_seconds(end) for end in ends):
        raise ValueError(f"all certificates in {path} have expired, the last on {ends[-1]}")


def _shake_hands(context: ssl.SSLContext, content: bytes) -> dict[str, str]:
    """Return what a client that trusts the certificate itself gets to know of it."""
    leaf = _CERTIFICATE.search(content)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    client.load_verify_locations(cadata=(leaf[0] if leaf else b"").decode("ascii"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there)
    theirs = context.wrap_bio(there, back, server_side=True)
    for _ in range(_STEPS):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if end is ours:
                # The type is wider than what a certificate has under these two names.
                known = ours.getpeercert() or {}
                return {name: str(known[name]) for name in ("notBefore", "notAfter")}
    raise ssl.SSLError("the handshake does not end")


def _read_flag(flag: str, path: Path) -> bytes:
    try:
        return read_pem(path)
    except ValueError as fault:
        raise ValueError(f"{flag}: {fault}") from None


class _EncryptedKeyError(Exception):
    """A key asks for a pass phrase; OpenSSL would ask whoever sits at the terminal."""


def _no_password() -> NoReturn:
    raise _EncryptedKeyError
