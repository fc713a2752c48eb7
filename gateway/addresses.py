"""Addresses to listen on: their form, and which of them strangers can reach."""

from __future__ import annotations

import ipaddress

UNIX = "unix:"

_MAX_PORT = 65535


def is_loopback(host: str) -> bool:
    """Say whether `host` (a name or an address) can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_host_port(address: str) -> tuple[str, int]:
    """Split `host:port`, `[::1]:port` included. Raises ValueError with one sentence."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ValueError(f"{address!r} is not host:port or unix:/path")
    if ":" in host and not bracketed:
        raise ValueError(f"{address!r}: an IPv6 address goes into brackets, such as [::1]:50051")
    return host[1:-1] if bracketed else host, int(port)


def socket_path(address: str) -> str:
    """Return the path in `unix:/path` or `unix:///path`."""
    return address.removeprefix(UNIX).removeprefix("//")


def check_address(address: str, *, allow_plaintext: bool) -> None:
    """Raise ValueError, with one sentence, if `address` is malformed or would serve strangers."""
    if address.startswith(UNIX):
        if not socket_path(address):
            raise ValueError(f"{address!r} has no path: write unix:/path/to/socket")
        return
    host, _ = split_host_port(address)
    if not (allow_plaintext or is_loopback(host)):
        raise ValueError(
            f"{address} can be reached from other machines, and calls to it are not encrypted: "
            "listen on 127.0.0.1, or add --allow-plaintext if the network is trusted"
        )
