"""The connections over which access tokens are returned."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rooms_gateway.call import Context
from rooms_gateway.errors import InsecureTransportError
from rooms_gateway.server.auth.token_transport import check_transport

PLAINTEXT, TLS = b"insecure", b"ssl"

SECURE = [
    ("ipv4:127.0.0.1:4242", PLAINTEXT),
    # All of 127.0.0.0/8 is loopback.
    ("ipv4:127.0.0.6:4242", PLAINTEXT),
    # Current versions of grpc escape the brackets, older ones did not.
    ("ipv6:%5B::1%5D:4242", PLAINTEXT),
    ("ipv6:[::1]:4242", PLAINTEXT),
    # An IPv4 client of a listener on [::]; grpc names it ipv4.
    ("ipv6:%5B::ffff:127.0.0.1%5D:4242", PLAINTEXT),
    ("unix:", PLAINTEXT),
    ("unix:/run/rooms-gateway.sock", PLAINTEXT),
    ("ipv4:192.0.2.7:4242", TLS),
    ("ipv6:%5B2001:db8::7%5D:4242", TLS),
]
INSECURE = [
    ("ipv4:192.0.2.7:4242", PLAINTEXT),
    ("ipv4:10.0.0.7:4242", PLAINTEXT),
    ("ipv4:0.0.0.0:4242", PLAINTEXT),
    ("ipv6:%5B2001:db8::7%5D:4242", PLAINTEXT),
    ("ipv6:%5Bfe80::1%252%5D:4242", PLAINTEXT),
    ("ipv6:%5B::ffff:192.0.2.7%5D:4242", PLAINTEXT),
    # Whatever grpc may name in later versions: it is not known to stay on the host.
    ("vsock:2:4242", PLAINTEXT),
    ("ipv4:127.0.0.1.example:4242", PLAINTEXT),
    ("unknown", PLAINTEXT),
    ("", PLAINTEXT),
    ("ipv4:192.0.2.7:4242", b"local"),
]


class Connection:
    """The part of a grpc context that describes the connection."""

    def __init__(self, security: bytes | None) -> None:
        self._security = security

    def auth_context(self) -> dict[str, list[bytes]]:
        return {} if self._security is None else {"transport_security_type": [self._security]}


def check(peer: str, security: bytes | None) -> None:
    check_transport(cast("Context", cast("Any", Connection(security))), peer)


@pytest.mark.proves("S82")
@pytest.mark.parametrize(("peer", "security"), SECURE)
def test_connection_that_others_cannot_read(peer: str, security: bytes) -> None:
    """The host, the file system or TLS protects it."""
    check(peer, security)


@pytest.mark.proves("S82")
@pytest.mark.parametrize(("peer", "security"), INSECURE)
def test_connection_that_others_can_read(peer: str, security: bytes) -> None:
    """All that is not known to be protected: plaintext has a security type too."""
    with pytest.raises(InsecureTransportError, match="connect with TLS"):
        check(peer, security)


def test_connection_without_a_security_type() -> None:
    """It counts as plaintext."""
    check("ipv4:127.0.0.1:4242", None)
    with pytest.raises(InsecureTransportError):
        check("ipv4:192.0.2.7:4242", None)
