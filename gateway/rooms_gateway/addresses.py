"""Addresses of listeners: their form, and the hosts and users that can reach them."""

from __future__ import annotations

import grp
import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

UNIX = "unix:"
ABSTRACT = "@"
"""Begins the name of a Unix socket in the abstract namespace (unix(7))."""
SYSTEMD = "systemd:"
"""Before the name of sockets that systemd passes."""

SOCKET_MODE = 0o660
"""Default permissions of a Unix socket: its owner and group."""

_MAX_PORT = 65535


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address, is always reachable on the same host only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # As Python 3.13 does: ::ffff:127.0.0.1 is 127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def split_host_port(address: str) -> tuple[str, int]:
    """Split `host:port`, `[::1]:port` included. Raises ValueError with one sentence."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ValueError(f"{address!r} is not host:port or unix:/path")
    if ":" in host and not bracketed:
        raise ValueError(f"{address!r}: an IPv6 address requires brackets, such as [::1]:50051")
    return host[1:-1] if bracketed else host, int(port)


def socket_path(address: str) -> str:
    """Return the path in `unix:/path` or `unix:///path`."""
    return address.removeprefix(UNIX).removeprefix("//")


def check_address(
    address: str,
    *,
    allow_plaintext: bool,
    encrypted: bool | None = None,
    flag: str = "--allow-plaintext",
) -> None:
    """Raise ValueError, with one sentence, if `address` is malformed or not safe to listen on.

    Plaintext TCP is safe on loopback only. `encrypted` is whether TCP listeners have TLS; None:
    they cannot have it. `flag` is the flag behind `allow_plaintext`.
    """
    if address.startswith(UNIX):
        if not socket_path(address):
            raise ValueError(f"{address!r} has no path: write unix:/path/to/socket")
        return
    host, _ = split_host_port(address)
    if not (encrypted or allow_plaintext or is_loopback(host)):
        encrypt = "" if encrypted is None else "enable TLS with --tls-cert and --tls-key, "
        raise ValueError(
            f"{address} is reachable from other hosts, in plaintext: listen on 127.0.0.1, "
            f"{encrypt}or pass {flag} if the network is trusted"
        )


def duplicates(addresses: Iterable[str]) -> list[str]:
    """Return the addresses that occur more than once. Port 0 is another port each time."""
    count = Counter(
        UNIX + socket_path(address) if address.startswith(UNIX) else address
        for address in addresses
        if not address.endswith(":0")
    )
    return [address for address, times in count.items() if times > 1]


@dataclass(frozen=True, slots=True)
class SocketRules:
    """Owner and permissions of Unix sockets."""

    mode: int = SOCKET_MODE
    """Permissions; connecting requires write permission."""
    group: int | None = None
    """Id of the owning group; None: the group of the process."""
    allow_shared_directory: bool = False
    """Permit world-writable directories, where another user could replace the socket."""


def parse_socket_mode(text: str) -> int:
    """Parse octal permissions such as `0660`. Raises ValueError with one sentence."""
    if not re.fullmatch("(0o?)?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a mode of three octal digits, such as 0660")
    return int(text.removeprefix("0o"), 8)


def format_socket_mode(mode: int) -> str:
    """Return `mode` as `parse_socket_mode` accepts it."""
    return f"{mode:04o}"


def find_group(text: str) -> int:
    """Return the id of a group, given by name or id. Raises ValueError if no group has the name."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError(f"group {text!r} does not exist on this host") from None
