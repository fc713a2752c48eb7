"""Addresses to listen on: their form, and who can reach them."""

from __future__ import annotations

import grp
import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

UNIX = "unix:"

SOCKET_MODE = 0o660
"""Permissions of a Unix socket, where nothing else is asked for: its owner and group."""

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


def check_address(
    address: str,
    *,
    allow_plaintext: bool,
    encrypted: bool | None = None,
    flag: str = "--allow-plaintext",
) -> None:
    """Raise ValueError, with one sentence, if `address` is malformed or would serve strangers.

    `encrypted` says whether calls to it over TCP are; None: they cannot be. `flag` is what sets
    `allow_plaintext`.
    """
    if address.startswith(UNIX):
        if not socket_path(address):
            raise ValueError(f"{address!r} has no path: write unix:/path/to/socket")
        return
    host, _ = split_host_port(address)
    if not (encrypted or allow_plaintext or is_loopback(host)):
        encrypt = "" if encrypted is None else "encrypt with --tls-cert and --tls-key, "
        raise ValueError(
            f"{address} can be reached from other machines, and calls to it are not encrypted: "
            f"listen on 127.0.0.1, {encrypt}or add {flag} if the network is trusted"
        )


def given_twice(addresses: Iterable[str]) -> list[str]:
    """Return which of `addresses` are there more than once. Port 0 is another one each time."""
    ends = Counter(
        UNIX + socket_path(address) if address.startswith(UNIX) else address
        for address in addresses
        if not address.endswith(":0")
    )
    return [address for address, times in ends.items() if times > 1]


@dataclass(frozen=True, slots=True)
class SocketRules:
    """Who may connect to Unix sockets."""

    mode: int = SOCKET_MODE
    """Permissions; whoever may write may connect."""
    group: int | None = None
    """The id of the group that they belong to; None: that of the process."""
    allow_shared_directory: bool = False
    """Whether they may be where everybody could put another in their place."""


def parse_socket_mode(text: str) -> int:
    """Read permissions in octal, such as 0660. Raises ValueError with one sentence."""
    if not re.fullmatch("(0o?)?[0-7]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a mode of three octal digits, such as 0660")
    return int(text.removeprefix("0o"), 8)


def find_group(text: str) -> int:
    """Return the id of a group that is named, or given by its id. Raises ValueError."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError(f"there is no group {text!r} on this machine") from None
