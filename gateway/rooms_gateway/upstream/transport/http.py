"""HTTP client for one endpoint: requests over the connections of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rooms_gateway import aio
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.route import DIRECT, Route
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.connection import BrokenResponseError
from rooms_gateway.upstream.transport.connector import Connector
from rooms_gateway.upstream.transport.failure_log import FailureLog
from rooms_gateway.upstream.transport.messages import RestRequest, RestResponse
from rooms_gateway.upstream.transport.pool import Pool
from rooms_gateway.upstream.transport.warm import keep_warm

_PRINTABLE = bytes(range(0x20, 0x7F))
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


class HttpClient:
    """HTTP client with a pool of connections to one endpoint.

    Follows no redirects, keeps no cookies, reads no proxy from the environment, decompresses
    nothing and retries nothing, so a signed request reaches the endpoint only, unchanged. The size
    of a response is limited.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        route: Route = DIRECT,
        *,
        user_agent: str,
        max_connections: int,
        max_response_bytes: int,
        warm_connections: int = 0,
    ) -> None:
        """`warm_connections` are kept open; see `keep_warm`."""
        self._connector = Connector(endpoint, route, max_response_bytes)
        self._max_connections = max_connections
        self._warm_connections = warm_connections
        self._failures = FailureLog()
        self._fixed = (
            f" HTTP/1.1\r\nHost: {endpoint.authority}\r\nUser-Agent: {user_agent}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\n"
        )
        self._fixed_lines = b"\r\n" * (self._fixed.count("\r\n") + 1)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(
            self._connector.connect, limit=self._max_connections, clock=self._loop.time
        )
        self._warming = asyncio.create_task(keep_warm(self._pool, self._warm_connections))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connector.close()
        await aio.cancel_and_wait(self._warming)
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
            response = await connection.round_trip(message, deadline)
        except AttemptError as error:
            self._failures.add(error)
            raise
        except BrokenResponseError as error:
            raise self._failed(error.kind, str(error)) from error
        except ConnectionAbortedError as error:
            raise self._failed(AttemptFailure.CONNECT, str(error)) from error
        except TimeoutError as error:
            kind, missing = AttemptFailure.TIMEOUT, "response"
            if connection is None:
                kind, missing = AttemptFailure.CONNECT_TIMEOUT, "connection"
            raise self._failed(kind, f"no {missing} within {attempt_timeout:.3g} s") from error
        finally:
            if connection is not None:
                self._pool.release(connection)
        if self._failures.failing:
            self._failures.end()
        return response

    def _failed(self, kind: AttemptFailure, reason: str) -> AttemptError:
        error = AttemptError(kind, self._connector.peer, reason)
        self._failures.add(error)
        return error

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
