"""Binds listeners: exclusively, and only to addresses that are safe to bind.

A Unix socket that another server uses could be replaced, and a TCP port shared; both would silently
split the traffic between two gateways.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

from rooms_gateway.addresses import ABSTRACT, SYSTEMD, UNIX, SocketRules, socket_path
from rooms_gateway.server.inherited_sockets import InheritedListener, inherited_sockets
from rooms_gateway.server.ports import BindError, Ports
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.server.tls.files import TlsError, TlsFiles

_OWNER_ONLY = 0o177
"""The umask under which a socket is created, before its group and mode are set."""


def load_certificates(files: TlsFiles) -> Certificates:
    """Load the certificate of TCP listeners. Raises BindError if it cannot be used any more."""
    try:
        return Certificates(files)
    except TlsError as error:
        raise BindError(f"cannot listen with TLS: {error}") from error


async def bind_all(
    ports: Ports,
    addresses: Iterable[str],
    *,
    certificates: Certificates | None = None,
    sockets: SocketRules | None = None,
    allow_plaintext: bool = False,
) -> list[Listener | InheritedListener]:
    """Bind all `addresses` as `Listener` does, or none; take those of systemd. Raises BindError."""
    listeners: list[Listener | InheritedListener] = []
    try:
        for address in addresses:
            if address.startswith(SYSTEMD):
                listeners += [
                    InheritedListener(
                        ports, each, certificates=certificates, allow_plaintext=allow_plaintext
                    )
                    for each in inherited_sockets(address)
                ]
            else:
                listeners.append(
                    Listener(ports, address, certificates=certificates, sockets=sockets)
                )
    except BindError:
        await ports.release()
        for listener in listeners:
            listener.close()
        raise
    return listeners


class Listener:
    """One address of a server: bound when created, released by `close`."""

    def __init__(
        self,
        ports: Ports,
        address: str,
        *,
        certificates: Certificates | None = None,
        sockets: SocketRules | None = None,
    ) -> None:
        """Bind `address`, `host:port` (port 0: any free one) or `unix:/path`.

        TCP uses TLS if there are `certificates`; Unix sockets never do. Raises BindError.
        """
        self._lock: TextIO | None = None
        if address.startswith(UNIX):
            self.address = self._bind_socket(ports, address, sockets or SocketRules())
        else:
            port = ports.add_tcp(address, certificates)
            self.address = f"{address.rpartition(':')[0]}:{port}"

    def close(self) -> None:
        """Release the address for another gateway."""
        if self._lock is not None:
            self._lock.close()

    def _bind_socket(self, ports: Ports, address: str, rules: SocketRules) -> str:
        path = socket_path(address)
        if not rules.allow_shared_directory:
            _reject_shared_directory(path)
        if path.startswith(ABSTRACT):
            # It has no file: no lock, no owner, no permissions.
            try:
                ports.add_unix(path)
            except (RuntimeError, OSError) as error:
                raise BindError(f"cannot listen on {address}: {_reason(error)}") from error
            return f"{UNIX}{path}"
        self._lock = _lock(path)
        try:
            _reject_used_path(path)
            # The umask applies: other users must not connect before the mode is set.
            before = os.umask(_OWNER_ONLY)
            try:
                ports.add_unix(path)
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


def _reject_shared_directory(path: str) -> None:
    """Raise BindError if all users may replace files in the directory of `path`, or connect."""
    if path.startswith(ABSTRACT):
        raise BindError(
            f"cannot listen on {UNIX}{path}: an abstract socket has no permissions, so that all "
            "users of this host can connect: choose a path, or pass "
            "--allow-shared-socket-directory if all of them are trusted"
        )
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
