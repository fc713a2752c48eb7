"""The server: its methods, listeners, connections, and their end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import grpc

from rooms_gateway.grpc_server import headers
from rooms_gateway.grpc_server.call import Call
from rooms_gateway.grpc_server.http2.connection import Connection
from rooms_gateway.grpc_server.http2.hpack import Field
from rooms_gateway.grpc_server.http2.stream import Stream
from rooms_gateway.grpc_server.http_requests import HttpRequest
from rooms_gateway.grpc_server.limits import Budget, Limits, RunningClock
from rooms_gateway.grpc_server.listener import Listener, bind_tcp, bind_unix
from rooms_gateway.grpc_server.messages import is_supported
from rooms_gateway.grpc_server.methods import Methods
from rooms_gateway.grpc_server.turns import Turns

_TICK = 1.0
"""Seconds between two checks of the limits of time."""

_READ_SIZE = 32_768
"""Bytes that are read from a connection at once, and at most kept of it between two turns."""

_MAX_FIELDS = 100
"""Header fields of a call. Each takes 200 bytes, and the client may send it in one."""

_SHUTDOWN = "the server shuts down"

logger = logging.getLogger(__name__)


class Server(grpc.aio.Server):
    """Serves asyncio servicers in the running event loop; a `grpc.aio.Server` without threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.clock = RunningClock(asyncio.get_running_loop().time)
        self.receive_buffer = memoryview(bytearray(_READ_SIZE))
        self.budget = Budget(self.limits.max_held)
        self.connections: set[Connection] = set()
        self._methods = Methods()
        self._listeners: list[Listener] = []
        self._ticks: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.turns = Turns(self._loop)
        self._stopping = False
        self._grace_ends = float("inf")
        self._abort: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] = self._loop.create_future()
        self._terminated = self._loop.create_future()

    # --- before it starts -------------------------------------------------------------------------

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Any) -> None:
        """Add handlers, which are asked for the method of a path in their order."""
        self._methods.add_generic(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Any) -> None:
        """Add the handlers of a service, by the names of its methods."""
        self._methods.add_registered(service_name, method_handlers)

    def add_insecure_port(self, address: str) -> int:
        """Listen on `host:port` or `unix:/path` without TLS; return the port. Raises OSError."""
        if address.startswith("unix:"):
            self.add_listener(bind_unix(address.removeprefix("unix:")))
            return 1
        host, _, port = address.rpartition(":")
        bound = bind_tcp(host.strip("[]"), int(port))
        for each in bound:
            self.add_listener(each)
        return int(bound[0].getsockname()[1])

    def add_secure_port(self, address: str, server_credentials: object) -> int:
        """Not supported: credentials of grpc belong to its TLS library; see `add_listener`."""
        raise grpc.aio.UsageError("pass an ssl.SSLContext to add_listener")

    def add_listener(
        self,
        listening: socket.socket,
        tls: Callable[[], ssl.SSLContext] | None = None,
        *,
        inherited: bool = False,
    ) -> None:
        """Serve a listening socket; `tls` returns the context of each handshake.

        The file of a Unix socket is removed at the end, except for an `inherited` one.
        """
        self._listeners.append(
            Listener(listening, self._make_connection, self.limits, tls, inherited=inherited)
        )

    async def start(self) -> None:
        """Accept connections."""
        for listener in self._listeners:
            listener.start(self._loop)
        self._tick()

    def _make_connection(self, on_lost: Callable[[Connection], None]) -> Connection:
        return Connection(self, self._loop, on_lost)

    # --- of the connections -----------------------------------------------------------------------

    def opened(self, connection: Connection) -> bool:
        """Record a connection; return False while the server stops."""
        if self._stopping:
            return False
        self.connections.add(connection)
        return True

    def lost(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        if self._stopping and not self.connections and not self._empty.done():
            self._empty.set_result(None)

    def start_call(
        self, connection: Connection, stream: Stream, fields: list[Field], size: int, *, end: bool
    ) -> None:
        """Start the call of a stream. Raises MalformedError."""
        if size > self.limits.max_header_list or len(fields) > _MAX_FIELDS:
            text = (
                f"the metadata has {len(fields)} fields of {size} bytes in all, and the limits are "
                f"{_MAX_FIELDS} and {self.limits.max_header_list}"
            )
            _reject(connection, stream, grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            return
        try:
            request = headers.read_request(fields)
        except headers.NotGrpcError as error:
            stream.receiver = receiver = HttpRequest(
                connection, stream, error, self.limits, self.budget
            )
            if end:
                receiver.receive(b"", end=True)
            return
        except headers.InvalidCallError as error:
            _reject(connection, stream, grpc.StatusCode.INTERNAL, str(error))
            return
        expires = connection.peer.expires
        if expires is not None and time.time() >= expires:
            text = "the certificate of the client has expired"
            _reject(connection, stream, grpc.StatusCode.UNAUTHENTICATED, text)
            connection.drain(text)
            return
        method = self._methods.find(request.path, request.metadata)
        if method is None:
            _reject(connection, stream, grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            return
        if not is_supported(request.encoding):
            text = f"grpc-encoding {request.encoding.decode('ascii', 'replace')} is not supported"
            code = grpc.StatusCode.UNIMPLEMENTED
            _reject(connection, stream, code, text, headers.ACCEPT_ENCODING)
            return
        call = Call(connection, stream, method, request, size, self.limits, self.budget, self._loop)
        if end:
            call.receive(b"", end=True)

    def _tick(self) -> None:
        self._ticks = self._loop.call_later(_TICK, self._tick)
        now = self.clock.tick()
        for connection in list(self.connections):
            connection.check(now)
        for listener in self._listeners:
            listener.check()

    # --- its end ----------------------------------------------------------------------------------

    async def stop(self, grace: float | None) -> None:
        """Accept no connections and calls; abort the calls that run after `grace` seconds.

        Returns when all connections are closed. None: abort all calls at once. The shortest grace
        of several calls applies.
        """
        if not self._stopping:
            self._stopping = True
            for listener in self._listeners:
                listener.close()
            for connection in list(self.connections):
                connection.drain(_SHUTDOWN)
        self._abort_after(grace or 0)
        if self.connections:
            await asyncio.shield(self._empty)
        for timer in (self._abort, self._ticks):
            if timer is not None:
                timer.cancel()
        if not self._terminated.done():
            self._terminated.set_result(None)

    def _abort_after(self, grace: float) -> None:
        ends = self._loop.time() + grace
        if ends < self._grace_ends:
            self._grace_ends = ends
            if self._abort is not None:
                self._abort.cancel()
            if grace:
                self._abort = self._loop.call_at(ends, self._abort_all)
            else:
                self._abort_all()

    def _abort_all(self) -> None:
        for connection in list(self.connections):
            connection.cut_off(_SHUTDOWN)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - grpc's signature
        """Return when the server has stopped: False; or after `timeout` seconds: True."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._terminated)
                return False
        return True


def _reject(
    connection: Connection,
    stream: Stream,
    code: grpc.StatusCode,
    text: str,
    fields: bytes = b"",
) -> None:
    """End a stream by a status, without a call."""
    connection.streams.fail(stream, headers.INITIAL + fields + headers.encode_status(code, text))
