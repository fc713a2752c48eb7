"""Opens connections to one endpoint: DNS, TCP, proxy and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import aiohappyeyeballs

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.route import Proxy, Route
from rooms_gateway.upstream.transport.causes import (
    AttemptError,
    Cause,
    connect_cause,
    lookup_cause,
    tls_cause,
)
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.names import Resolver
from rooms_gateway.upstream.transport.tunnel import open_tunnel

CONNECT_TIMEOUT = 5.0
"""Timeout of all steps together, in seconds; below the attempt timeout, so that a retry fits in."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds until the next address is tried in parallel (RFC 8305, section 5)."""


class Step(StrEnum):
    """Steps of opening a connection that precede TLS, in their order."""

    LOOKUP = "name"
    SOCKET = "connection"
    TUNNEL = "proxy"


class Connector:
    """Opens connections to one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        route: Route,
        max_response_bytes: int,
        *,
        report: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """`report` receives each completed step."""
        self._report = report
        self._endpoint = endpoint
        self._proxy = route.proxy
        self._max_response_bytes = max_response_bytes
        self._tls = _tls_context(route.ca) if endpoint.scheme == "https" else None
        next_hop = route.proxy or endpoint
        self._resolver = Resolver(next_hop.host, next_hop.port)
        self._via = f"proxy {route.proxy}: " if route.proxy else ""
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self.peer = f"{host}:{endpoint.port}"
        """Host and port, for error texts."""

    def close(self) -> None:
        """Cancel the lookup in progress, if any."""
        self._resolver.close()

    async def connect(self) -> Connection:
        """Open a connection, with a new DNS lookup. Raises AttemptError."""
        via, waiting_for = self._via, "the DNS lookup"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                addresses = await self._addresses()
                self._report(Step.LOOKUP)
                waiting_for = "a TCP connection"
                sock = await self._open_socket(addresses)
                self._report(Step.SOCKET)
                if self._proxy is not None:
                    waiting_for = "a response"
                    await self._open_tunnel(sock, self._proxy)
                    self._report(Step.TUNNEL)
                via, waiting_for = "", "the TLS handshake"
                return await self._start(sock)
        except TimeoutError:
            reason = f"timed out after {CONNECT_TIMEOUT:g} s, waiting for {waiting_for}"
            raise self._error((AttemptFailure.CONNECT_TIMEOUT, reason), via) from None

    async def _addresses(self) -> list[Any]:
        try:
            return await self._resolver.addresses()
        except OSError as error:
            raise self._error(lookup_cause(error), self._via) from error

    async def _open_socket(self, addresses: list[Any]) -> socket.socket:
        try:
            return await aiohappyeyeballs.start_connection(
                addresses,
                happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY,
                interleave=1,
                loop=asyncio.get_running_loop(),
            )
        except (OSError, RuntimeError) as error:
            raise self._error(connect_cause(error), self._via) from error

    async def _open_tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        try:
            cause = await open_tunnel(sock, self.peer, proxy.authorization)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise self._error(connect_cause(error), self._via) from error
            raise
        if cause is not None:
            sock.close()
            raise self._error(cause, self._via)

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

    def _error(self, cause: Cause, via: str = "") -> AttemptError:
        kind, reason = cause
        return AttemptError(kind, self.peer, f"{via}{reason}")


def _tls_context(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context
