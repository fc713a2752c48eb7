"""How each of the two gRPC servers binds an address."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

import grpc

from rooms_gateway.addresses import ABSTRACT, UNIX, split_host_port
from rooms_gateway.grpc_server.listener import bind_tcp, bind_unix
from rooms_gateway.grpc_server.server import Server
from rooms_gateway.server.tls.certificates import Certificates

_IN_USE = (
    "the address is in use: stop the other process, choose another address with --listen, or pass "
    "--reuse-port to all gateways that are to share it"
)
_NOT_SHARED = (
    "the address is in use by a process without --reuse-port or of another user: all processes "
    "that share a port need the flag and the same user"
)
"""Both conditions are the kernel's: socket(7), SO_REUSEPORT."""
_NOT_OURS = "the address does not belong to this host: choose another address with --listen"
_PRIVILEGED = (
    "this user may not bind the port: choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
)


class BindError(Exception):
    """An address that cannot be bound. The text has the cause and the remedy."""


class Ports(Protocol):
    """Binds the addresses of one server."""

    def add_tcp(self, address: str, certificates: Certificates | None) -> int:
        """Bind `host:port`, with TLS if there are certificates, and return the port.

        Raises BindError.
        """

    def add_unix(self, path: str) -> None:
        """Bind a Unix socket, in place of an unused one. Raises OSError or RuntimeError."""

    def add_inherited(self, listening: socket.socket, certificates: Certificates | None) -> None:
        """Serve a socket that listens already. Raises BindError if the server cannot."""

    async def release(self) -> None:
        """Release the addresses of a server that was not started."""


class GrpcPorts:
    """Binds addresses of grpcio's server, which does not report why it fails."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_tcp(self, address: str, certificates: Certificates | None) -> int:
        """Bind `host:port`. Raises BindError."""
        try:
            if certificates is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, certificates.credentials())
        except RuntimeError as error:
            raise BindError(f"cannot listen on {address}: {_IN_USE}; or {_NOT_OURS}") from error

    def add_unix(self, path: str) -> None:
        """Bind a Unix socket. Raises RuntimeError."""
        abstract = path.startswith(ABSTRACT)
        self._server.add_insecure_port(f"unix-abstract:{path[1:]}" if abstract else UNIX + path)

    def add_inherited(self, listening: socket.socket, certificates: Certificates | None) -> None:
        """Raise BindError: grpc for Python binds its sockets itself."""
        raise BindError("--server grpc cannot serve sockets of systemd: use --server loop")

    async def release(self) -> None:
        """Release the addresses, which grpc does in stop(), and only after start()."""
        await self._server.start()
        await self._server.stop(None)


class LoopPorts:
    """Binds addresses of the server in the event loop."""

    def __init__(self, server: Server, *, reuse_port: bool) -> None:
        """`reuse_port` lets other processes bind the same ports."""
        self._server = server
        self._reuse_port = reuse_port

    def add_tcp(self, address: str, certificates: Certificates | None) -> int:
        """Bind `host:port`. Raises BindError."""
        host, port = split_host_port(address)
        try:
            bound = bind_tcp(host, port, reuse_port=self._reuse_port)
        except OSError as error:
            raise BindError(f"cannot listen on {address}: {self._cause_of(error)}") from error
        for each in bound:
            self._server.add_listener(each, _tls(certificates))
        return int(bound[0].getsockname()[1])

    def _cause_of(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror):
            return f"the name is not known ({error.strerror}): choose another with --listen"
        if error.errno == errno.EADDRINUSE:
            return _NOT_SHARED if self._reuse_port else _IN_USE
        known = {errno.EADDRNOTAVAIL: _NOT_OURS, errno.EACCES: _PRIVILEGED}
        return known.get(error.errno or 0, error.strerror or "it cannot be bound")

    def add_unix(self, path: str) -> None:
        """Bind a Unix socket. Raises OSError."""
        self._server.add_listener(bind_unix(path))

    def add_inherited(self, listening: socket.socket, certificates: Certificates | None) -> None:
        """Serve a socket that listens already."""
        self._server.add_listener(listening, _tls(certificates), inherited=True)

    async def release(self) -> None:
        """Release the addresses."""
        await self._server.stop(None)


def _tls(certificates: Certificates | None) -> Callable[[], ssl.SSLContext] | None:
    return None if certificates is None else certificates.context
