"""Opens connections to one endpoint: DNS, TCP and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import aiohappyeyeballs

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.causes import (
    AttemptError,
    Cause,
    connect_cause,
    lookup_cause,
    tls_cause,
)
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.names import Resolver

CONNECT_TIMEOUT = 5.0
"""Timeout for DNS, TCP and TLS, in seconds; below the attempt timeout, so that a retry fits in."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds until the next address is tried in parallel (RFC 8305, section 5)."""


class Connector:
    """Opens connections to one endpoint."""

    def __init__(self, endpoint: Endpoint, max_response_bytes: int) -> None:
        self._endpoint = endpoint
        self._max_response_bytes = max_response_bytes
        self._tls = _tls_context() if endpoint.scheme == "https" else None
        self._resolver = Resolver(endpoint.host, endpoint.port)
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self.peer = f"{host}:{endpoint.port}"
        """Host and port, for error texts."""

    def close(self) -> None:
        """Cancel the lookup in progress, if any."""
        self._resolver.close()

    async def connect(self) -> Connection:
        """Open a connection, with a new DNS lookup. Raises AttemptError."""
        waiting_for = "the DNS lookup"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                addresses = await self._addresses()
                waiting_for = "a TCP connection"
                sock = await self._open_socket(addresses)
                waiting_for = "the TLS handshake"
                return await self._start(sock)
        except TimeoutError:
            raise self._error(
                (
                    AttemptFailure.CONNECT_TIMEOUT,
                    f"timed out after {CONNECT_TIMEOUT:g} s, waiting for {waiting_for}",
                )
            ) from None

    async def _addresses(self) -> list[Any]:
        try:
            return await self._resolver.addresses()
        except OSError as error:
            raise self._error(lookup_cause(error)) from error

    async def _open_socket(self, addresses: list[Any]) -> socket.socket:
        try:
            return await aiohappyeyeballs.start_connection(
                addresses,
                happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY,
                interleave=1,
                loop=asyncio.get_running_loop(),
            )
        except (OSError, RuntimeError) as error:
            raise self._error(connect_cause(error)) from error

    async def _start(self, sock: socket.socket) -> Connection:
        """Make a connection of `sock`, with a TLS handshake if the endpoint has TLS."""
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._max_response_bytes),
                sock=sock,
                ssl=self._tls,
                server_hostname=self._endpoint.host.rstrip(".") if self._tls else None,
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise self._error(tls_cause(error)) from error
            raise
        return connection

    def _error(self, cause: Cause) -> AttemptError:
        kind, reason = cause
        return AttemptError(kind, self.peer, reason)


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
