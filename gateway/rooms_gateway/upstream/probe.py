"""Periodic probe of the upstream, for readiness that depends on it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from rooms_gateway import aio
from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, ThrottledError
from rooms_gateway.upstream.error_response import is_attributed
from rooms_gateway.upstream.transport.sender import UNAUTHORIZED, RestRequest, RestResponse

FAILURE_THRESHOLD = 3
"""Consecutive failed probes after which the upstream counts as unreachable."""

JITTER = 0.2
"""Random share of the interval, so that replicas do not probe in step."""

_SERVER_ERRORS_FROM = 500
_TIMEOUT = 10.0

logger = logging.getLogger(__name__)


class SupportsSend(Protocol):
    """The method of `Sender` that a probe needs."""

    async def send(self, request: RestRequest, call: Call) -> RestResponse:
        """Send `request`. Raises GatewayError if there is no response."""
        ...


async def send_probe(sender: SupportsSend, api_version: str, deadline: float) -> RestResponse:
    """Read a room that cannot exist, the cheapest signed request. Raises GatewayError.

    `deadline` is in seconds of `time.monotonic()`.
    """
    request = RestRequest("GET", f"/rooms/0?api-version={api_version}")
    return await sender.send(request, Call("", deadline, idempotent=True))


def response_error(response: RestResponse) -> str | None:
    """Describe the response to a probe if the Rooms service cannot serve; None: it can."""
    status = f"HTTP status {response.status}"
    if not is_attributed(response):
        return f"{status}, which the Rooms service has not sent"
    if response.status == UNAUTHORIZED:
        return f"{status}: the Rooms service rejects the credential"
    return f"{status} of the Rooms service" if response.status >= _SERVER_ERRORS_FROM else None


class UpstreamProbe:
    """Sends a probe at an interval.

    A probe succeeds with any response of the Rooms service, except with the status 401 or 5xx. The
    upstream counts as unreachable until the first success, and again after FAILURE_THRESHOLD
    consecutive failures; one success makes it reachable.
    """

    def __init__(
        self,
        sender: SupportsSend,
        api_version: str,
        interval: float,
        *,
        on_change: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval` is in seconds; `clock` is the one of `Call.deadline`.

        `on_change` is called when `reachable` has changed.
        """
        self._sender = sender
        self._api_version = api_version
        self._interval = interval
        self._on_change = on_change
        self._sleep = sleep
        self._uniform = uniform
        self._clock = clock
        self._failures = 0
        self.reachable = False
        """Whether the upstream counts as reachable."""
        self.last_error = ""
        """Error of the last probe; empty if it succeeded, or before its end."""

    @asynccontextmanager
    async def in_background(self) -> AsyncIterator[None]:
        """Probe at once and then at every interval, until the context ends."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            await aio.cancel_and_wait(task)

    async def _run(self) -> None:
        while True:
            self._record(await self._probe())
            await self._sleep(self._interval * self._uniform(1 - JITTER, 1 + JITTER))

    async def _probe(self) -> str | None:
        """Send one probe and return its error; None if it succeeded."""
        deadline = self._clock() + min(_TIMEOUT, self._interval)
        try:
            return response_error(await send_probe(self._sender, self._api_version, deadline))
        except ThrottledError:
            # The Rooms service responds: it throttles.
            return None
        except GatewayError as error:
            return str(error)

    def _record(self, error: str | None) -> None:
        self.last_error = error or ""
        if error is None:
            self._failures = 0
            if not self.reachable:
                self.reachable = True
                logger.info("upstream probe succeeded: the Rooms service is reachable")
                self._on_change()
            return
        self._failures += 1
        if self._failures == FAILURE_THRESHOLD:
            self.reachable = False
            logger.warning(
                "the upstream is unreachable: %d consecutive probes failed; last error: %s",
                FAILURE_THRESHOLD,
                error,
            )
            self._on_change()
