"""Binding: one gateway to an address, and only addresses that are safe to bind.

grpc shares a TCP port by default, and takes a Unix socket away from whoever serves on it; both
would split the traffic between two gateways without a word.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from typing import TextIO

import grpc

from gateway.addresses import UNIX, socket_path

SERVER_OPTIONS = (("grpc.so_reuseport", 0),)
"""What the server must be made with for a TCP port to be exclusive."""

SOCKET_MODE = 0o660
"""Permissions of a Unix socket: its owner and group."""


class BindError(Exception):
    """An address that cannot be served on. Its text says why and what to do."""


class Listener:
    """One address of `server`: bound when made, released by `close`."""

    def __init__(self, server: grpc.aio.Server, address: str) -> None:
        """Bind `address`, `host:port` (port 0: any free one) or `unix:/path`.

        Raises BindError.
        """
        self._lock: TextIO | None = None
        if address.startswith(UNIX):
            self.address = self._bind_socket(server, address)
        else:
            self.address = _bind_port(server, address)

    def close(self) -> None:
        """Let another gateway have the address."""
        if self._lock is not None:
            self._lock.close()

    def _bind_socket(self, server: grpc.aio.Server, address: str) -> str:
        path = socket_path(address)
        self._lock = _lock(path)
        try:
            _refuse_to_steal(path)
            server.add_insecure_port(f"{UNIX}{path}")
            os.chmod(path, SOCKET_MODE)  # noqa: PTH101 - a socket, not a file
        except (RuntimeError, OSError) as error:
            self._lock.close()
            raise BindError(f"cannot listen on {address}: {_why(error)}") from error
        except BindError:
            self._lock.close()
            raise
        return f"{UNIX}{path}"


def _bind_port(server: grpc.aio.Server, address: str) -> str:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise BindError(
            f"cannot listen on {address}: is another gateway running there, or is the address not "
            "of this machine? Stop it, or choose another with --listen"
        ) from error
    return f"{address.rpartition(':')[0]}:{port}"


def _lock(path: str) -> TextIO:
    """Take the lock beside the socket; it goes with the process, however that ends."""
    try:
        lock = open(f"{path}.lock", "w", encoding="ascii")  # noqa: PTH123, SIM115 - held until close
    except OSError as error:
        raise BindError(f"cannot listen on {UNIX}{path}: {_why(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise BindError(
            f"cannot listen on {UNIX}{path}: another gateway is running there. Stop it, or choose "
            "another path with --listen"
        ) from error
    return lock


def _refuse_to_steal(path: str) -> None:
    """Raise BindError if something else is at `path`: another file, or a server that answers."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a socket, not a file
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {UNIX}{path}: there is a file that is no socket")
    with socket.socket(socket.AF_UNIX) as probe, suppress(ConnectionRefusedError):
        # A server that accepts nobody must not hold us up: with its queue full, this raises.
        probe.setblocking(False)
        probe.connect(path)
        raise BindError(f"cannot listen on {UNIX}{path}: another server answers there")


def _why(error: Exception) -> str:
    return (error.strerror or "" if isinstance(error, OSError) else "") or "it cannot be bound"
