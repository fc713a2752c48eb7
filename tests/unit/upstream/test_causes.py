"""Causes of failed connections, from the exceptions of sockets and TLS."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable

import pytest

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import (
    Cause,
    connect_cause,
    lookup_cause,
    tls_cause,
)


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "text of OpenSSL")
    error.reason = reason
    return error


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "text of OpenSSL")
    error.verify_code, error.verify_message = code, "text of OpenSSL"
    return error


SEVERAL = OSError(
    "Multiple exceptions: [Errno 111] Connect call failed ('192.0.2.1', 443), "
    "[Errno 101] Connect call failed ('2001:db8::1', 443, 0, 0)"
)

F = AttemptFailure
CAUSES: list[tuple[Callable[[Exception], Cause], Exception, AttemptFailure, str]] = [
    (lookup_cause, socket.gaierror(socket.EAI_NONAME, "text"), F.NAME_NOT_KNOWN, "name not known"),
    (lookup_cause, socket.gaierror(socket.EAI_AGAIN, "text"), F.LOOKUP_FAILED, "now: text"),
    (lookup_cause, OSError(errno.EMFILE, "text"), F.LOOKUP_FAILED, "now: text"),
    (connect_cause, OSError(errno.ECONNREFUSED, "text"), F.REFUSED, "connection refused"),
    (connect_cause, OSError(errno.ENETUNREACH, "text"), F.UNREACHABLE, "Network is unreachable"),
    (connect_cause, OSError(errno.EHOSTUNREACH, "text"), F.UNREACHABLE, "No route to host"),
    (connect_cause, OSError(errno.ETIMEDOUT, "text"), F.CONNECT_TIMEOUT, "did not respond"),
    (connect_cause, OSError(errno.EMFILE, "text"), F.CONNECT, "Too many open files"),
    (connect_cause, RuntimeError("text"), F.CONNECT, "RuntimeError"),
    (connect_cause, SEVERAL, F.REFUSED, "connection refused"),
    (tls_cause, certificate_error(18), F.CERTIFICATE, "self-signed.*--upstream-ca"),
    (tls_cause, certificate_error(19), F.CERTIFICATE, "CA is unknown.*--upstream-ca"),
    (tls_cause, certificate_error(20), F.CERTIFICATE, "CA is unknown.*--upstream-ca"),
    (tls_cause, certificate_error(10), F.CERTIFICATE, "expired.*clock"),
    (tls_cause, certificate_error(62), F.CERTIFICATE, "another host.*endpoint"),
    (tls_cause, certificate_error(99), F.CERTIFICATE, "text of OpenSSL"),
    (tls_cause, tls_error("WRONG_VERSION_NUMBER"), F.WRONG_PROTOCOL, "does not speak TLS"),
    (tls_cause, tls_error("NO_SHARED_CIPHER"), F.TLS, "failed: no shared cipher"),
    (tls_cause, ssl.SSLError(1, "text"), F.TLS, "failed: sslerror"),
    (tls_cause, ConnectionResetError(), F.TLS, "closed during the TLS handshake"),
]


@pytest.mark.parametrize(
    ("cause_of", "error", "kind", "reason"), CAUSES, ids=[repr(case[1]) for case in CAUSES]
)
def test_an_exception_has_its_cause(
    cause_of: Callable[[Exception], Cause], error: Exception, kind: AttemptFailure, reason: str
) -> None:
    found, text = cause_of(error)
    assert found is kind
    assert re.search(reason, text)


def test_a_permanent_cause_sends_nothing() -> None:
    """A call that would not be repeated cannot have taken effect."""
    permanent = [kind for kind in AttemptFailure if kind.permanent]
    assert permanent
    assert not any(kind.sent for kind in permanent)
