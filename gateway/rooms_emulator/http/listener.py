"""HTTP listener on one port, which it keeps while it refuses connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from aiohttp import web

from rooms_emulator.http.addresses import UNSPECIFIED, split_host_port

# Well above a link with the longest recorded token (2,752 characters).
_MAX_LINE = 1 << 15
_SHUTDOWN_SECONDS = 1.0
_HANDSHAKE_SECONDS = 10.0
_BACKLOG = 1024

_UNTRUSTED = ": the client does not trust the CA of the certificate"
_HANDSHAKE_HINTS = {
    "HTTP_REQUEST": ": the client uses http://; use https://",
    "TLSV1_ALERT_UNKNOWN_CA": _UNTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _UNTRUSTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _UNTRUSTED,
}
"""Hints for the reasons of OpenSSL that mistakes of users lead to."""

# accept() errors that mean we are out of descriptors or memory; retrying at once cannot help.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ACCEPT_RETRY_SECONDS = 0.5

logger = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """Serves HTTP on `host:port`, given as `listen`; port 0 selects a free port.

    With `tls` it serves HTTPS only. It keeps its port from the first start on, even between
    shutdown and the next start. Raises ValueError if `listen` is malformed.
    """

    def __init__(self, listen: str, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._port = split_host_port(listen)
        self._tls = tls
        self._server: web.Server | None = None
        self._bound: socket.socket | None = None
        self._accepting: set[asyncio.Future[Any]] = set()
        self._reserved: socket.socket | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._busy: set[asyncio.Transport | None] = set()
        self._transports: WeakSet[asyncio.Transport] = WeakSet()

    @property
    def endpoint(self) -> str:
        """The address to call, such as `http://127.0.0.1:8125`, with the actual port."""
        # No certificate is for an unspecified address.
        host = UNSPECIFIED.get(self._host, self._host) if self._tls else self._host
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    @property
    def is_open(self) -> bool:
        """Whether the listener is started."""
        return self._server is not None

    async def start(self, handler: Handler) -> None:
        """Bind and listen. Raises OSError if the address cannot be bound."""
        bound = _bind(self._host, self._port, listen=True)
        self._port = bound.getsockname()[1]

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            transport = request.transport
            self._busy.add(transport)
            try:
                return await handler(request)
            finally:
                self._busy.discard(transport)

        # Without decompression, because the signature covers the body as it was sent.
        self._server = web.Server(
            handle, access_log=None, auto_decompress=False, max_line_size=_MAX_LINE
        )
        self._listen(self._server, bound)

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for `seconds`, and close the existing ones.

        Requests in flight get their responses. 0 ends a refusal. Does nothing if the listener is
        not started.
        """
        refusing = self._reserved is not None
        if self._server is None or not (seconds or refusing):
            return
        if self._reopening is not None:
            self._reopening.cancel()
        if self._bound is not None:
            self._stop_listening()
            # Bound without listening: connections are refused, and the port stays reserved.
            self._reserved = _bind(self._host, self._port, listen=False)
        for connection in self._server.connections:
            if connection.transport in self._busy:
                connection.close()
            else:
                connection.force_close()
        self._reopening = asyncio.ensure_future(self._reopen(self._server, seconds))

    async def stop(self) -> None:
        """Stop listening and close all connections. Does nothing if not started."""
        server, self._server = self._server, None
        if self._reopening is not None:
            self._reopening.cancel()
            with suppress(asyncio.CancelledError):
                await self._reopening
            self._reopening = None
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        self._stop_listening()
        if self._accepting:
            _, pending = await asyncio.wait(self._accepting, timeout=_SHUTDOWN_SECONDS)
            # A client that has connected to a TLS port need not begin a handshake.
            for accepting in pending:
                accepting.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if server is not None:
            server.pre_shutdown()
            await server.shutdown(_SHUTDOWN_SECONDS)
            # A closed transport stays until the client reads its unsent data, and with TLS until it
            # closes too; an aborted one does not.
            for transport in self._transports:
                transport.abort()
            await asyncio.sleep(0)

    async def _reopen(self, server: web.Server, seconds: float) -> None:
        await asyncio.sleep(seconds)
        bound, self._reserved = self._reserved, None
        if bound is not None:
            self._listen(server, bound)

    def _listen(self, server: web.Server, bound: socket.socket) -> None:
        bound.listen(_BACKLOG)
        self._bound = bound
        self._accept_from(server, bound)

    def _accept_from(self, server: web.Server, bound: socket.socket) -> None:
        # Not with loop.create_server: if that server is closed while asyncio sets up an accepted
        # connection, the connection is leaked and reported by the garbage collector.
        if bound is self._bound:
            asyncio.get_running_loop().add_reader(bound.fileno(), self._accept, server, bound)

    def _accept(self, server: web.Server, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = bound.accept()
        except OSError as error:
            # Any other error means that the client has already disconnected.
            if error.errno in _EXHAUSTED:
                logger.warning(
                    "cannot accept connections (%s): see `ulimit -n`; next try in %g s",
                    error.strerror,
                    _ACCEPT_RETRY_SECONDS,
                )
                loop.remove_reader(bound.fileno())
                loop.call_later(_ACCEPT_RETRY_SECONDS, self._accept_from, server, bound)
            return
        connection.setblocking(False)
        accepting = asyncio.ensure_future(
            loop.connect_accepted_socket(
                server,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
            )
        )
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepted)

    def _accepted(self, accepting: asyncio.Future[Any]) -> None:
        self._accepting.discard(accepting)
        if accepting.cancelled():
            return
        error = accepting.exception()
        if error is None:
            transport, _ = accepting.result()
            # uvloop has no weak references to its transports with TLS; it closes those itself.
            with suppress(TypeError):
                self._transports.add(transport)
            if self._reserved is not None:
                # The handshake was under way when the refusal began.
                transport.abort()
        elif isinstance(error, ssl.SSLError):
            hint = _HANDSHAKE_HINTS.get(error.reason or "", "")
            logger.warning("TLS handshake failed: %s%s", error.reason or error, hint)

    def _stop_listening(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().remove_reader(self._bound.fileno())
            self._bound.close()
            self._bound = None


def _bind(host: str, port: int, *, listen: bool) -> socket.socket:
    try:
        # The first address of a name only, so that there is one port and one endpoint.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        if listen:
            bound = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        else:
            bound = socket.socket(family, socket.SOCK_STREAM)
            if os.name == "posix":
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address[:2])
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {reason}") from None
    bound.setblocking(False)
    return bound
