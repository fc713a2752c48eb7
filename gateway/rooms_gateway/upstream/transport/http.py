"""HTTP client for one endpoint: sockets, DNS, TLS and the connection pool."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohappyeyeballs

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.transport.connection import BrokenResponseError, Connection
from rooms_gateway.upstream.transport.messages import RestRequest, RestResponse
from rooms_gateway.upstream.transport.pool import Pool

CONNECT_TIMEOUT = 5.0
"""Timeout for DNS, TCP and TLS, in seconds; below the attempt timeout, so that a retry fits in."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds until the next address is tried in parallel (RFC 8305, section 5)."""

_PRINTABLE = bytes(range(0x20, 0x7F))
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class AttemptError(Exception):
    """An attempt ended without a complete response."""

    def __init__(self, reason: str, kind: AttemptFailure) -> None:
        super().__init__(reason)
        self.kind = kind

    @property
    def sent(self) -> bool:
        """Whether the upstream may have received the request, and may have acted on it."""
        return self.kind is not AttemptFailure.CONNECT


class HttpClient:
    """HTTP client with a pool of connections to one endpoint.

    Follows no redirects, keeps no cookies, reads no proxy from the environment, decompresses
    nothing and retries nothing, so a signed request reaches the endpoint only, unchanged. The size
    of a response is limited.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        max_connections: int,
        max_response_bytes: int,
    ) -> None:
        self._endpoint = endpoint
        self._max_connections = max_connections
        self._max_response_bytes = max_response_bytes
        self._fixed = (
            f" HTTP/1.1\r\nHost: {endpoint.authority}\r\nUser-Agent: {user_agent}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\n"
        )
        self._fixed_lines = b"\r\n" * (self._fixed.count("\r\n") + 1)
        self._tls = _tls_context() if endpoint.scheme == "https" else None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._lookup: asyncio.Future[list[Any]] | None = None
        self._pool = Pool(self._connect, limit=self._max_connections, clock=self._loop.time)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lookup is not None:
            self._lookup.cancel()
        await self._pool.close()

    async def request(
        self, request: RestRequest, signature: Mapping[str, str], attempt_timeout: float
    ) -> RestResponse:
        """Send `request` with the headers of `signature` and return the response.

        `attempt_timeout` is in seconds. Raises AttemptError without a complete response,
        InvalidUpstreamResponseError if the response is too large or compressed (an error response
        is returned without its body instead), and ValueError if the request is not valid HTTP.
        """
        message = self._write(request, signature)
        deadline = self._loop.time() + attempt_timeout
        connection = self._pool.take_idle()
        try:
            if connection is None:
                async with asyncio.timeout_at(deadline):
                    connection = await self._pool.acquire()
            return await connection.round_trip(message, deadline)
        except BrokenResponseError as error:
            raise AttemptError(str(error), AttemptFailure.LOST) from error
        except TimeoutError as error:
            # Without a connection, nothing was sent.
            kind = AttemptFailure.CONNECT if connection is None else AttemptFailure.TIMEOUT
            raise AttemptError("timed out", kind) from error
        except OSError as error:
            raise AttemptError(type(error).__name__, AttemptFailure.CONNECT) from error
        finally:
            if connection is not None:
                self._pool.release(connection)

    def _write(self, request: RestRequest, signature: Mapping[str, str]) -> bytes:
        """Return the request as bytes. Raises ValueError if a value would start a new line."""
        method, target, body = request.method, request.target, request.body
        text, lines = f"{method} {target}{self._fixed}", self._fixed_lines
        for name, value in (*request.headers.items(), *signature.items()):
            text += f"{name}: {value}\r\n"
            lines += b"\r\n"
        if body or method in _BODY_EXPECTED:
            text += f"Content-Length: {len(body)}\r\n"
            lines += b"\r\n"
        head = f"{text}\r\n".encode("ascii")
        if head.translate(None, _PRINTABLE) != lines or " " in target or method == "HEAD":
            raise ValueError("the request has invalid characters or an unsupported method")
        return head + body

    async def _connect(self) -> Connection:
        """Open a connection, with a new DNS lookup. Raises OSError."""
        endpoint, loop = self._endpoint, self._loop
        async with asyncio.timeout(CONNECT_TIMEOUT):
            sock = await aiohappyeyeballs.start_connection(
                await self._addresses(),
                happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY,
                interleave=1,
                loop=loop,
            )
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, self._max_response_bytes),
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=endpoint.host.rstrip(".") if self._tls else None,
                )
            except BaseException:
                sock.close()
                raise
        return connection

    async def _addresses(self) -> list[Any]:
        """Resolve the host; concurrent callers share one lookup. Raises OSError."""
        if self._lookup is None:
            endpoint = self._endpoint
            self._lookup = asyncio.ensure_future(
                self._loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            )
            self._lookup.add_done_callback(self._looked_up)
        lookup = self._lookup
        # asyncio.wait, so that a cancelled caller does not cancel the shared lookup.
        await asyncio.wait([lookup])
        return lookup.result()

    def _looked_up(self, lookup: asyncio.Future[list[Any]]) -> None:
        self._lookup = None
        if not lookup.cancelled():
            # Retrieved, because asyncio logs an exception that is never retrieved.
            lookup.exception()


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
