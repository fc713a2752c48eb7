"""Access tokens are bearer secrets: they are returned over connections that are not readable."""

from __future__ import annotations

from acs.rooms.v1.access_tokens_pb2 import AccessToken
from google.protobuf.descriptor import Descriptor

from rooms_gateway.addresses import is_loopback
from rooms_gateway.call import Context
from rooms_gateway.errors import InsecureTransportError

_TLS = b"ssl"


def returns_tokens(response: Descriptor) -> bool:
    """Return whether messages of the type can contain an access token."""
    return any(
        field.message_type == AccessToken.DESCRIPTOR or returns_tokens(field.message_type)
        for field in response.fields
        if field.message_type is not None
    )


def check_transport(context: Context, peer: str) -> None:
    """Raise InsecureTransportError if the connection is TCP without TLS from another host.

    `peer` is as grpc names it: "ipv4:10.0.0.7:4242", "ipv6:%5B::1%5D:4242", "unix:".
    """
    # Plaintext connections have a type as well: "insecure".
    encrypted = _TLS in context.auth_context().get("transport_security_type", ())
    if encrypted or peer.startswith("unix:"):
        return
    host = peer.partition(":")[2].rpartition(":")[0]
    if not is_loopback(host.replace("%5B", "").replace("%5D", "").strip("[]")):
        raise InsecureTransportError(
            "access tokens are not returned over TCP without TLS to another host: connect with TLS "
            "(the gateway needs --tls-cert and --tls-key), over a Unix socket, or on loopback"
        )
