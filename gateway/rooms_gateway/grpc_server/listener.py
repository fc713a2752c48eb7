"""Listening sockets: binding, accepting, and the TLS handshakes of their connections."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable

from rooms_gateway.grpc_server.http2.connection import Connection
from rooms_gateway.grpc_server.http2.frames import ErrorCode
from rooms_gateway.grpc_server.limits import Limits

_BACKLOG = 1024
_FREE_PORT_ATTEMPTS = 10
_ACCEPT_AT_ONCE = 64
"""Connections that are accepted before others have their turn."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger(__name__)


class Listener:
    """Accepts the connections of one socket."""

    def __init__(
        self,
        listening: socket.socket,
        make_connection: Callable[[Callable[[Connection], None]], Connection],
        limits: Limits,
        tls: Callable[[], ssl.SSLContext] | None,
        *,
        inherited: bool,
    ) -> None:
        """`make_connection` makes one that calls its argument when it is closed.

        `tls` returns the context of each handshake; None: no TLS. `inherited`: the file of a Unix
        socket belongs to another process.
        """
        self._socket = listening
        self._socket.setblocking(False)
        self._make_connection = make_connection
        self._limits = limits
        self._tls = tls
        self._inherited = inherited
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._open: dict[Connection, None] = {}
        """In the order in which they were accepted, also those of handshakes."""
        self._paused = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept connections in `loop`."""
        self._loop = loop
        loop.add_reader(self._socket, self._accept)

    def check(self) -> None:
        """Accept again after a shortage of descriptors."""
        if self._paused and self._loop is not None:
            self._paused = False
            self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Release the address; handshakes end, connections stay."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._paused = False
        if not self._inherited:
            _unlink(self._socket)
        self._socket.close()
        if self._tls is not None:
            # Others end in this round; cancelled, uvloop reports no end to those that have begun.
            for task in self._handshakes:
                task.cancel()

    def _accept(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101 - set by `start`
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                accepted, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                logger.warning("cannot accept a connection: %s", error.strerror)
                self._paused = True
                loop.remove_reader(self._socket)
                return
            if len(self._open) >= self._limits.max_connections and not self._make_room():
                accepted.close()
                continue
            connection = self._make_connection(self._forget)
            self._open[connection] = None
            task = loop.create_task(self._connect(loop, accepted, connection))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _make_room(self) -> bool:
        """Close the oldest connection without a call; return False if all have one."""
        idle = next((each for each in self._open if each.idle), None)
        if idle is None:
            return False
        self._forget(idle)
        idle.give_way(ErrorCode.NO_ERROR, "too_many_connections")
        return True

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, accepted: socket.socket, connection: Connection
    ) -> None:
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is None:
                await loop.connect_accepted_socket(lambda: connection, accepted)
            else:
                await loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=self._tls(),
                    ssl_handshake_timeout=self._limits.handshake_timeout,
                )
        except (OSError, ssl.SSLError, asyncio.CancelledError) as error:
            # Not a warning: a client's mistake, and port scanners are many.
            logger.debug("a TLS handshake failed: %s", error)
            accepted.close()
            self._forget(connection)


def bind_tcp(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Bind all addresses of a host, with one port, exclusively unless others share it.

    `::` includes IPv4. Raises OSError.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, name) for family, _, _, _, name in found))
    for last in [False] * _FREE_PORT_ATTEMPTS + [True]:
        bound: list[socket.socket] = []
        try:
            for family, (name, chosen, *scope) in addresses:
                port_of_others = bound[0].getsockname()[1] if bound else chosen
                bound.append(_bind(family, (name, port_of_others, *scope), reuse_port=reuse_port))
        except OSError as error:
            for each in bound:
                each.close()
            # A free port of one address may be in use at another.
            if port or last or error.errno != errno.EADDRINUSE:
                raise
        else:
            return bound
    raise AssertionError


def _bind(family: int, address: tuple[object, ...], *, reuse_port: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        listening.bind(address)
        # At once, because two sockets may be bound to a port until one of them listens.
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def bind_unix(path: str) -> socket.socket:
    """Bind a Unix socket, in place of one that exists; "@" begins an abstract name.

    Raises OSError.
    """
    if path.startswith("@"):
        path = f"\0{path[1:]}"
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - a socket, not a file
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _unlink(listening: socket.socket) -> None:
    """Remove the file of a Unix socket."""
    name = listening.getsockname()
    if isinstance(name, str) and name:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - a socket, not a file
