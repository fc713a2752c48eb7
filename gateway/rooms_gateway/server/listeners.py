"""Binding: one gateway to an address, and only addresses that are safe to bind.

grpc shares a TCP port by default, and takes a Unix socket away from whoever serves on it; both
would split the traffic between two gateways without a word. (The first is switched off in
`server_options`, unless it is wanted.)
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

_NOBODY_ELSE = 0o177
"""The umask under which a socket is made, before it gets its group and mode."""

_TAKEN = (
    "is another gateway running there, or is the address not of this machine? Stop it, choose "
    "another with --listen, or give --reuse-port to all that are to share it"
)

_SHARED = (
    "is somebody there without --reuse-port, or as another user, or is the address not of this "
    "machine? All who share a port need the flag, and the same user"
)
"""Both are the kernel's conditions: socket(7), SO_REUSEPORT."""


class BindError(Exception):
    """An address that cannot be served on. Its text says why and what to do."""


def load_certificates(files: TlsFiles) -> Certificates:
    """Read what TCP ports speak TLS with. Raises BindError if it is not usable any more."""
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
    """One address of `server`: bound when made, released by `close`."""

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

        A port speaks TLS if there are `certificates`; a socket never does. `reuse_port` is what
        `server` was made with. Raises BindError.
        """
        self._lock: TextIO | None = None
        if address.startswith(UNIX):
            self.address = self._bind_socket(server, address, sockets or SocketRules())
        else:
            self.address = _bind_port(server, address, certificates, reuse_port=reuse_port)

    def close(self) -> None:
        """Let another gateway have the address."""
        if self._lock is not None:
            self._lock.close()

    def _bind_socket(self, server: grpc.aio.Server, address: str, rules: SocketRules) -> str:
        path = socket_path(address)
        if not rules.allow_shared_directory:
            _refuse_shared_directory(path)
        self._lock = _lock(path)
        try:
            _refuse_to_steal(path)
            # grpc makes it as the umask says: nobody may get in before all is set.
            before = os.umask(_NOBODY_ELSE)
            try:
                server.add_insecure_port(f"{UNIX}{path}")
            finally:
                os.umask(before)
            if rules.group is not None:
                os.chown(path, -1, rules.group)
            os.chmod(path, rules.mode)  # noqa: PTH101 - a socket, not a file
        except (RuntimeError, OSError) as error:
            self._lock.close()
            raise BindError(f"cannot listen on {address}: {_why(error)}") from error
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
            f"cannot listen on {address}: {_SHARED if reuse_port else _TAKEN}"
        ) from error
    return f"{address.rpartition(':')[0]}:{port}"


def _refuse_shared_directory(path: str) -> None:
    """Raise BindError if everybody may replace what is in the directory of `path`."""
    directory = os.path.dirname(path) or "."  # noqa: PTH120 - as it was written
    try:
        mode = os.stat(directory).st_mode  # noqa: PTH116 - as above
    except OSError as error:
        raise BindError(f"cannot listen on {UNIX}{path}: {_why(error)}") from error
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise BindError(
            f"cannot listen on {UNIX}{path}: everybody may write to {directory}, and put a socket "
            "of their own in its place: take that right away, or add "
            "--allow-shared-socket-directory if all who can reach it are trusted"
        )


def _lock(path: str) -> TextIO:
    """Take the lock beside the socket; it goes with the process, however that ends."""
    # Never through a link, which somebody else may have put there to have its target written to.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    try:
        lock = open(os.open(f"{path}.lock", flags, 0o600), "w", encoding="ascii")  # noqa: PTH123, SIM115 - held until close
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
