"""One exchange with the service over HTTP. Knows sockets, TLS and the pool of connections."""

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
"""Seconds for DNS, TCP and TLS; less than an attempt's time-out, so that a retry can follow."""

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds after which the next address is tried as well; RFC 8305, section 5."""

_PRINTABLE = bytes(range(0x20, 0x7F))
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class AttemptError(Exception):
    """There was no complete answer."""

    def __init__(self, reason: str, kind: AttemptFailure) -> None:
        super().__init__(reason)
        self.kind = kind

    @property
    def sent(self) -> bool:
        """Whether the service may have got the request, and so may have acted on it."""
        return self.kind is not AttemptFailure.CONNECT


class HttpClient:
    """A pool of connections to one endpoint.

    No redirects, no cookies, no proxies from the environment, no decompression, no request sent
    twice: what is signed goes to one place, as it is, and what comes back is bounded.
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
        self._max_answer_bytes = max_response_bytes
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
        self, request: RestRequest, signature: Mapping[str, str], seconds: float
    ) -> RestResponse:
        """Send `request` with the headers of `signature`; read the answer, within `seconds`.

        Raises AttemptError when there is no complete answer, InvalidUpstreamResponseError when it is
        larger than allowed or encoded although we asked for it plain (of a refusal, such a body is
        left out), and ValueError when the request cannot be written as HTTP.
        """
        message = self._write(request, signature)
        deadline = self._loop.time() + seconds
        connection = self._pool.take()
        try:
            if connection is None:
                async with asyncio.timeout_at(deadline):
                    connection = await self._pool.acquire()
            return await connection.round_trip(message, deadline)
        except BrokenResponseError as error:
            raise AttemptError(str(error), AttemptFailure.LOST) from error
        except TimeoutError as error:
            # Nothing was written before there was a connection.
            kind = AttemptFailure.CONNECT if connection is None else AttemptFailure.TIMEOUT
            raise AttemptError("timed out", kind) from error
        except OSError as error:
            raise AttemptError(type(error).__name__, AttemptFailure.CONNECT) from error
        finally:
            if connection is not None:
                self._pool.release(connection)

    def _write(self, request: RestRequest, signature: Mapping[str, str]) -> bytes:
        """Return the whole request as bytes, once it is sure that no value starts a new line."""
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
            raise ValueError("the request has characters, or a method, that cannot be sent")
        return head + body

    async def _connect(self) -> Connection:
        """Open a connection; the name is looked up anew each time. Raises OSError."""
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
                    lambda: Connection(loop, self._max_answer_bytes),
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=endpoint.host.rstrip(".") if self._tls else None,
                )
            except BaseException:
                sock.close()
                raise
        return connection

    async def _addresses(self) -> list[Any]:
        """Look the name up; all who ask meanwhile share the answer. Raises OSError."""
        if self._lookup is None:
            endpoint = self._endpoint
            self._lookup = asyncio.ensure_future(
                self._loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
            )
            self._lookup.add_done_callback(self._looked_up)
        lookup = self._lookup
        # Who goes away does not take it from the others.
        await asyncio.wait([lookup])
        return lookup.result()

    def _looked_up(self, lookup: asyncio.Future[list[Any]]) -> None:
        self._lookup = None
        if not lookup.cancelled():
            # Taken note of, also if nobody waits any more.
            lookup.exception()


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
