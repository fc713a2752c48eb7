"""Listening sockets that systemd passes to the process (socket activation, sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from rooms_gateway.addresses import SYSTEMD, UNIX, check_address
from rooms_gateway.server.ports import BindError, Ports
from rooms_gateway.server.tls.certificates import Certificates

_FIRST = 3
"""The first descriptor that systemd passes."""


class InheritedListener:
    """One passed socket, which systemd keeps open after the end of the process."""

    def __init__(
        self,
        ports: Ports,
        listening: socket.socket,
        *,
        certificates: Certificates | None,
        allow_plaintext: bool,
    ) -> None:
        """Serve `listening`; TCP uses TLS if there are `certificates`. Raises BindError."""
        self.address = _address(listening)
        try:
            check_address(
                self.address, allow_plaintext=allow_plaintext, encrypted=certificates is not None
            )
        except ValueError as error:
            raise BindError(f"cannot listen on the socket of systemd: {error}") from error
        local = self.address.startswith(UNIX)
        ports.add_inherited(listening, None if local else certificates)

    def close(self) -> None:
        """Leave the address to systemd."""


def inherited_sockets(
    address: str, environment: Mapping[str, str] = os.environ
) -> list[socket.socket]:
    """Return the sockets of `systemd:NAME`, in the order of their unit. Raises BindError."""
    name = address.removeprefix(SYSTEMD)
    ours = environment.get("LISTEN_PID") == str(os.getpid())
    count = environment.get("LISTEN_FDS", "") if ours else ""
    if not (count.isascii() and count.isdigit()):
        raise BindError(
            f"cannot listen on {address}: systemd has passed no socket to this process: start the "
            "socket unit, and let it start the gateway"
        )
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = [
        _FIRST + number for number in range(int(count)) if names[number : number + 1] == [name]
    ]
    if not found:
        known = ", ".join(dict.fromkeys(filter(None, names))) or "none"
        raise BindError(
            f"cannot listen on {address}: systemd has passed no socket of this name, only {known}: "
            "set FileDescriptorName= in the socket unit"
        )
    return [_listening(address, descriptor) for descriptor in found]


def _listening(address: str, descriptor: int) -> socket.socket:
    try:
        # A duplicate: the settings may be read and bound several times in a process.
        passed = socket.socket(fileno=os.dup(descriptor))
        if passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and (
            passed.type == socket.SOCK_STREAM
        ):
            return passed
        passed.close()
    except OSError as error:
        raise BindError(f"cannot listen on {address}: {error.strerror}") from error
    raise BindError(
        f"cannot listen on {address}: the socket accepts no connections: its unit needs "
        "ListenStream= and Accept=no"
    )


def _address(listening: socket.socket) -> str:
    name = listening.getsockname()
    if not isinstance(name, tuple):
        path = name if isinstance(name, str) else f"@{name[1:].decode(errors='replace')}"
        return f"{UNIX}{path}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
