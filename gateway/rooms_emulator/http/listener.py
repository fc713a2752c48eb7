"""One port, which can be closed for a while and stays the emulator's meanwhile."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from aiohttp import web

# Well above a link with the longest recorded token (2,752 characters).
_LONGEST_LINE: Final = 1 << 15
_STOP_SECONDS: Final = 1.0
_BACKLOG: Final = 1024

# Of accept, when it is not the one client that is at fault, and asking again at once is in vain.
_USED_UP: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RESPITE_SECONDS: Final = 0.5

_LOG: Final = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Listener:
    """Serves HTTP on one address. Once it was open it keeps its port, also over a stop.

    Args:
        listen: ``host:port``; port 0 takes a free one.

    Raises:
        ValueError: ``listen`` cannot be read.

    """

    def __init__(self, listen: str) -> None:
        self._host, self._port = _parse(listen)
        self._server: web.Server | None = None
        self._bound: socket.socket | None = None
        self._arriving: set[asyncio.Future[Any]] = set()
        self._reserved: socket.socket | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._busy: set[asyncio.Transport | None] = set()
        self._answered: WeakSet[asyncio.Transport] = WeakSet()

    @property
    def endpoint(self) -> str:
        """The address to call, such as ``http://127.0.0.1:8125``, with the port that is used."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def is_open(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._server is not None

    async def start(self, handler: Handler) -> None:
        """Listen.

        Raises:
            OSError: nobody can listen there, such as because somebody else does already.

        """
        bound = _bind(self._host, self._port, listen=True)
        self._port = bound.getsockname()[1]

        # The signature covers the body as it was sent, so nothing may be decompressed.
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            transport = request.transport
            self._busy.add(transport)
            if transport is not None:
                self._answered.add(transport)
            try:
                return await handler(request)
            finally:
                self._busy.discard(transport)

        self._server = web.Server(
            answer, access_log=None, auto_decompress=False, max_line_size=_LONGEST_LINE
        )
        self._listen(self._server, bound)

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so many seconds from now, and close those that there are.

        What is being answered is still answered. 0 seconds end a refusal; nothing happens if it
        was not started.
        """
        refusing = self._reserved is not None
        if self._server is None or not (seconds or refusing):
            return
        if self._reopening is not None:
            self._reopening.cancel()
        if self._bound is not None:
            self._stop_listening()
            # Bound but not listening: connections are refused, and nobody else gets the port.
            self._reserved = _bind(self._host, self._port, listen=False)
        for connection in self._server.connections:
            if connection.transport in self._busy:
                connection.close()
            else:
                connection.force_close()
        self._reopening = asyncio.ensure_future(self._reopen(self._server, seconds))

    async def stop(self) -> None:
        """Stop listening and close all connections; nothing if it was not started."""
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
        if self._arriving:
            await asyncio.wait(self._arriving)
        if server is not None:
            server.pre_shutdown()
            await server.shutdown(_STOP_SECONDS)
            # Closed, one with an answer that nobody reads would stay until somebody does.
            for transport in self._answered:
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
        # Not by loop.create_server: what asyncio has accepted in the moment in which its own server
        # is closed, it leaves half made, and tells of it when the garbage is collected.
        if bound is self._bound:
            asyncio.get_running_loop().add_reader(bound.fileno(), self._accept, server, bound)

    def _accept(self, server: web.Server, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = bound.accept()
        except OSError as error:
            # Otherwise a client that has gone already.
            if error.errno in _USED_UP:
                _LOG.warning("no more connections for now (%s): see `ulimit -n`", error.strerror)
                loop.remove_reader(bound.fileno())
                loop.call_later(_RESPITE_SECONDS, self._accept_from, server, bound)
            return
        connection.setblocking(False)
        arriving = asyncio.ensure_future(loop.connect_accepted_socket(server, connection))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)

    def _stop_listening(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().remove_reader(self._bound.fileno())
            self._bound.close()
            self._bound = None


def _parse(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise ValueError(f"cannot listen on {listen!r}: it has to be host:port")
    return host, int(port)


def _bind(host: str, port: int, *, listen: bool) -> socket.socket:
    try:
        # One address, even if a name has several, so that there is one port and one endpoint.
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
