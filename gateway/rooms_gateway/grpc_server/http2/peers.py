"""The client of a connection: its address, and the identity in its certificate."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_IPV6_LENGTH = 4

_SPIFFE_ID = re.compile(rb"(?=.{1,2048}\Z)spiffe://[^/]{1,255}/.+", re.DOTALL)
"""With the limits of SPIFFE-ID, section 2.3."""

Properties = Mapping[str, tuple[bytes, ...]]


@dataclass(slots=True)
class Peer:
    """A client; names and properties are those of grpc."""

    name: str
    """Such as `ipv4:127.0.0.1:4242`, `ipv6:%5B::1%5D:4242` or `unix:`."""
    properties: Properties
    """Of the transport: `transport_security_type`, and the names in a verified certificate."""
    encrypted: bool = False
    expires: float | None = None
    """Expiry of its certificate, in seconds since the epoch."""
    speaks_http2: bool = field(default=True)
    """Whether it negotiated HTTP/2 by ALPN, or has no TLS."""


_INSECURE: Properties = {"transport_security_type": (b"insecure",)}


def peer_of(transport: Any) -> Peer:
    """Return the client of an asyncio transport."""
    name = _name(transport.get_extra_info("peername"))
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return Peer(name, _INSECURE)
    certificate = tls.getpeercert() or {}
    expires = certificate.get("notAfter")
    return Peer(
        name,
        _properties(certificate),
        True,
        ssl.cert_time_to_seconds(str(expires)) if expires else None,
        tls.selected_alpn_protocol() == "h2",
    )


def _name(address: object) -> str:
    if not isinstance(address, tuple):
        return "unix:"
    host, port = str(address[0]), address[1]
    if len(address) != _IPV6_LENGTH:
        return f"ipv4:{host}:{port}"
    mapped = ipaddress.IPv6Address(host.partition("%")[0]).ipv4_mapped
    if mapped is not None:
        return f"ipv4:{mapped}:{port}"
    return f"ipv6:%5B{host.replace('%', '%25')}%5D:{port}"


def _properties(certificate: Mapping[str, Any]) -> Properties:
    names = certificate.get("subjectAltName", ())
    uris, dns, email, ip = (
        tuple(value.encode() for each, value in names if each == kind)
        for kind in ("URI", "DNS", "email", "IP Address")
    )
    found = {
        "transport_security_type": (b"ssl",),
        "x509_common_name": _common_names(certificate),
        "x509_subject_alternative_name": (*uris, *dns, *email, *ip),
        "peer_uri": uris,
        "peer_dns": dns,
        "peer_email": email,
        "peer_ip": ip,
        # An SVID has exactly one URI (X.509-SVID, section 2).
        "peer_spiffe_id": uris if len(uris) == 1 and _SPIFFE_ID.fullmatch(uris[0]) else (),
    }
    return {name: values for name, values in found.items() if values}


def _common_names(certificate: Mapping[str, Any]) -> tuple[bytes, ...]:
    return tuple(
        value.encode()
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName"
    )
