"""Addresses in the form `host:port`."""

from __future__ import annotations

from ipaddress import ip_address

_MAX_PORT = 65535

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a name for them, no listener
"""The addresses that stand for all of the machine, and a loopback address to call them by."""


def split_host_port(address: str) -> tuple[str, int]:
    """Split `host:port`, or `[::1]:port`. Raises ValueError if the address is malformed."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        raise ValueError(f"{address!r} is not host:port")
    if ":" in host and not bracketed:
        raise ValueError(
            f"{address!r} is not host:port: write an IPv6 address in brackets, such as [::1]:8125"
        )
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return whether `host` is `localhost` or a loopback address, IPv4-mapped addresses too."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
