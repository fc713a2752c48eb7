"""Causes of attempts without a response, and their description for callers and operators."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from rooms_gateway.telemetry.observers import AttemptFailure

Cause = tuple[AttemptFailure, str]
"""A cause, and one clause that describes it and names the remedy if there is one."""


class AttemptError(Exception):
    """An attempt ended without a complete response."""

    def __init__(self, kind: AttemptFailure, peer: str, reason: str) -> None:
        """`peer` is host and port of the upstream, `reason` one clause."""
        super().__init__(f"{peer}: {reason}")
        self.kind = kind


_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)

_PRIVATE_CA = (
    "a private CA or a proxy that inspects TLS has signed it: pass its certificate with "
    "--upstream-ca"
)

_VERIFICATION = {
    # Codes of OpenSSL's x509_vfy.h.
    18: f"it is self-signed; {_PRIVATE_CA}",
    19: f"the CA is unknown; {_PRIVATE_CA}",
    20: f"the CA is unknown; {_PRIVATE_CA}",
    21: f"the CA is unknown; {_PRIVATE_CA}",
    9: "it is not valid yet; check the clock of this host",
    10: "it has expired; check the clock of this host",
    62: "it is for another host; check the endpoint",
    64: "it is for another address; check the endpoint",
}

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""Reasons of OpenSSL, by version, for a first record that is not TLS."""

_ERRNO = re.compile(r"\[Errno (\d+)\]")


def lookup_cause(error: Exception) -> Cause:
    """Return the cause of a failed look-up of a name."""
    if getattr(error, "errno", None) in _UNKNOWN_NAME:
        return AttemptFailure.NAME_NOT_KNOWN, "name not known; check its spelling and the DNS"
    text = getattr(error, "strerror", None) or type(error).__name__
    return AttemptFailure.LOOKUP_FAILED, f"the name cannot be looked up now: {text}"


def connect_cause(error: Exception) -> Cause:
    """Return the cause of a failed TCP connection."""
    number = _number_of(error)
    if number in _UNREACHABLE:
        return AttemptFailure.UNREACHABLE, f"unreachable: {os.strerror(number)}"
    if number == errno.ECONNREFUSED:
        return AttemptFailure.REFUSED, "connection refused"
    if number == errno.ETIMEDOUT:
        return AttemptFailure.CONNECT_TIMEOUT, "no connection: the host did not respond"
    reason = os.strerror(number) if number else type(error).__name__
    return AttemptFailure.CONNECT, f"no connection: {reason}"


def tls_cause(error: Exception) -> Cause:
    """Return the cause of a failed TLS handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFICATION.get(error.verify_code, error.verify_message)
        return AttemptFailure.CERTIFICATE, f"certificate not trusted: {reason}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or type(error).__name__
        if reason in _NOT_TLS:
            return AttemptFailure.WRONG_PROTOCOL, "the port does not speak TLS; check the endpoint"
        return AttemptFailure.TLS, f"TLS handshake failed: {reason.replace('_', ' ').lower()}"
    return AttemptFailure.TLS, "connection closed during the TLS handshake"


def _number_of(error: Exception) -> int:
    """Return the error number; of several addresses, that of the last which is reachable."""
    # aiohappyeyeballs joins errors with different numbers into one without a number.
    numbers = [int(digits) for digits in _ERRNO.findall(str(error))]
    reachable = [number for number in numbers if number not in _UNREACHABLE]
    return (getattr(error, "errno", None) or (reachable or numbers or [0])[-1]) or 0
