"""One exchange with the service over HTTP. The only module that knows aiohttp."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from gateway.endpoint import Endpoint
from gateway.errors import ServiceAnswerUnreadable
from gateway.telemetry.observers import Failure
from gateway.transport.messages import RestAnswer, RestRequest

CONNECT_TIMEOUT = 5.0
"""Seconds for TCP and TLS; less than an attempt's time-out, so that a retry can follow."""

KEEPALIVE = 60.0
"""Seconds that an idle connection is kept."""


class ExchangeFailed(Exception):
    """There was no complete answer."""

    def __init__(self, reason: str, kind: Failure) -> None:
        super().__init__(reason)
        self.kind = kind

    @property
    def sent(self) -> bool:
        """Whether the service may have got the request, and so may have acted on it."""
        return self.kind is not Failure.CONNECT


class HttpClient:
    """A pool of connections to one endpoint.

    No redirects, no cookies, no proxies from the environment, no decompression: what is signed
    goes to one place, as it is, and what comes back is bounded.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        max_connections: int,
        max_answer_bytes: int,
    ) -> None:
        self._origin = endpoint.origin
        self._authority = endpoint.authority
        self._user_agent = user_agent
        self._max_connections = max_connections
        self._max_answer_bytes = max_answer_bytes

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections, keepalive_timeout=KEEPALIVE
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": self._user_agent,
                "Host": self._authority,
            },
            skip_auto_headers=("Content-Type",),
            max_field_size=16384,
        )
        # aiohttp would quietly send GET, PUT and DELETE again on a stale connection, past our own
        # count, budget and signature. There is no public switch; a test watches this one.
        self._session._retry_connection = False  # noqa: SLF001 - see above
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def exchange(
        self, request: RestRequest, signature: Mapping[str, str], seconds: float
    ) -> RestAnswer:
        """Send `request` with the headers of `signature`; read the answer, within `seconds`.

        Raises ExchangeFailed when there is no complete answer, and ServiceAnswerUnreadable when it
        is larger than allowed or encoded although we asked for it plain; of a refusal, such a body
        is left out.
        """
        try:
            async with self._session.request(
                request.method,
                URL(self._origin + request.target, encoded=True),
                data=request.body or None,
                headers={**request.headers, **signature},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_TIMEOUT),
            ) as response:
                try:
                    body = await self._read(response)
                except ServiceAnswerUnreadable:
                    # The status of a refusal says enough, and whether to try again.
                    if response.status < HTTPStatus.BAD_REQUEST:
                        raise
                    body = b""
                return RestAnswer(response.status, response.headers, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ExchangeFailed(_describe(error), Failure.CONNECT) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            kind = Failure.TIMEOUT if isinstance(error, TimeoutError) else Failure.LOST
            raise ExchangeFailed(_describe(error), kind) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ServiceAnswerUnreadable(
                "the service sent an encoded answer that was not asked for"
            )
        chunks = []
        left = self._max_answer_bytes
        async for chunk in response.content.iter_any():
            left -= len(chunk)
            if left < 0:
                raise ServiceAnswerUnreadable(
                    f"the service's answer is larger than {self._max_answer_bytes} bytes"
                )
            chunks.append(chunk)
        return b"".join(chunks)


def _describe(error: Exception) -> str:
    """Name the failure without what the peer or the operating system wrote into its text."""
    return "timed out" if isinstance(error, TimeoutError) else type(error).__name__
