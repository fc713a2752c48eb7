"""Binds listeners: exclusively, and only to addresses that are safe to bind.

grpc shares a TCP port by default, and replaces a Unix socket that another server uses; both would
silently split the traffic between two gateways. `options` switches port sharing off, unless it is
configured.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

import grpc

from rooms_gateway.addresses import UNIX, SocketRules, socket_path
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.server.tls.files import TlsError, TlsFiles

_OWNER_ONLY = 0o177
"""The umask under which a socket is created, before its group and mode are set."""

_IN_USE = (
    "the address is in use or does not belong to this host: stop the other process, choose another "
    "address with --listen, or pass --reuse-port to all gateways that are to share it"
)

_NOT_SHARED = (
    "the address is in use by a process without --reuse-port or of another user, or does not "
    "belong to this host: all processes that share a port need the flag and the same user"
)
"""Both conditions are the kernel's: socket(7), SO_REUSEPORT."""


class BindError(Exception):
    """An address that cannot be bound. The text has the cause and the remedy."""


def load_certificates(files: TlsFiles) -> Certificates:
    """Load the certificate of TCP listeners. Raises BindError if it cannot be used any more."""
    try:
        return Certificates(files)
    except TlsError as error:
        raise BindError(f"cannot listen with TLS: {error}") from error


async def bind_all(
    server: grpc.aio.Server,
    addresses: Iterable[str],
    *,
    certificates: Certificates | None = None,
    sockets: SocketRules | None = None,
    reuse_port: bool = False,
) -> list[Listener]:
    """Bind all `addresses` as `Listener` does, or none. Raises BindError."""
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners.append(  # noqa: PERF401 - those before an error are closed below
                Listener(
                    server,
                    address,
                    certificates=certificates,
                    sockets=sockets,
                    reuse_port=reuse_port,
                )
            )
    except BindError:
        # grpc releases bound addresses only in stop(), which does nothing before start().
        await server.start()
        await server.stop(None)
        for listener in listeners:
            listener.close()
        raise
    return listeners


class Listener:
    """One address of `server`: bound when created, released by `close`."""

    def __init__(
        self,
        server: grpc.aio.Server,
        address: str,
        *,
        certificates: Certificates | None = None,
        sockets: SocketRules | None = None,
        reuse_port: bool = False,
    ) -> None:
        """Bind `address`, `host:port` (port 0: any free one) or `unix:/path`.

        TCP uses TLS if there are `certificates`; Unix sockets never do. `reuse_port` is the option
        that `server` was created with. Raises BindError.
        """
        self._lock: TextIO | None = None
        if address.startswith(UNIX):
            self.address = self._bind_socket(server, address, sockets or SocketRules())
        else:
            self.address = _bind_port(server, address, certificates, reuse_port=reuse_port)

    def close(self) -> None:
        """Release the address for another gateway."""
        if self._lock is not None:
            self._lock.close()

    def _bind_socket(self, server: grpc.aio.Server, address: str, rules: SocketRules) -> str:
        path = socket_path(address)
        if not rules.allow_shared_directory:
            _reject_shared_directory(path)
        self._lock = _lock(path)
        try:
            _reject_used_path(path)
            # grpc applies the umask: other users must not connect before the mode is set.
            before = os.umask(_OWNER_ONLY)
            try:
                server.add_insecure_port(f"{UNIX}{path}")
            finally:
                os.umask(before)
            if rules.group is not None:
                os.chown(path, -1, rules.group)
            os.chmod(path, rules.mode)  # noqa: PTH101 - a socket, not a file
        except (RuntimeError, OSError) as error:
            self._lock.close()
            raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
        except BindError:
            self._lock.close()
            raise
        return f"{UNIX}{path}"


def _bind_port(
    server: grpc.aio.Server,
    address: str,
    certificates: Certificates | None,
    *,
    reuse_port: bool,
) -> str:
    try:
        if certificates is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, certificates.credentials())
    except RuntimeError as error:
        raise BindError(
            f"cannot listen on {address}: {_NOT_SHARED if reuse_port else _IN_USE}"
        ) from error
    return f"{address.rpartition(':')[0]}:{port}"


def _reject_shared_directory(path: str) -> None:
    """Raise BindError if all users may replace files in the directory of `path`."""
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - as it was written
    try:
        mode = os.stat(directory).st_mode  # noqa: PTH116 - as above
    except OSError as error:
        raise BindError(f"cannot listen on {UNIX}{path}: {_reason(error)}") from error
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise BindError(
            f"cannot listen on {UNIX}{path}: {directory} is writable by all users, so that each of "
            "them could replace the socket: run chmod o-w on it, or pass "
            "--allow-shared-socket-directory if all of them are trusted"
        )


def _lock(path: str) -> TextIO:
    """Lock the file next to the socket; the kernel releases the lock when the process ends."""
    # No symbolic links: another user could have created one to have its target truncated.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    try:
        lock = open(os.open(f"{path}.lock", flags, 0o600), "w", encoding="ascii")  # noqa: PTH123, SIM115 - held until close
    except OSError as error:
        raise BindError(f"cannot listen on {UNIX}{path}: {_reason(error)}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise BindError(
            f"cannot listen on {UNIX}{path}: another gateway is running there: stop it, or choose "
            "another path with --listen"
        ) from error
    return lock


def _reject_used_path(path: str) -> None:
    """Raise BindError if `path` is not a socket, or a socket that another server accepts on."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a socket, not a file
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {UNIX}{path}: it exists and is not a socket")
    with socket.socket(socket.AF_UNIX) as probe, suppress(ConnectionRefusedError):
        # Non-blocking: with a full queue of the other server, this raises instead of waiting.
        probe.setblocking(False)
        probe.connect(path)
        raise BindError(f"cannot listen on {UNIX}{path}: another server is listening there")


def _reason(error: Exception) -> str:
    return (error.strerror or "" if isinstance(error, OSError) else "") or "it cannot be bound"
