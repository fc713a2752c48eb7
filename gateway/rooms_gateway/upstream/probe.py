"""Whether the service answers at all, asked in the background; for /readyz, where it is wanted."""

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
from rooms_gateway.errors import GatewayError
from rooms_gateway.upstream.transport.sender import UNAUTHORIZED, RestRequest, RestResponse

FAILURES = 3
"""Questions in a row without an answer after which the service counts as gone."""

JITTER = 0.2
"""The share of the interval by which replicas that started together drift apart."""

_SERVER_ERRORS_FROM = 500
_TIMEOUT = 10.0

logger = logging.getLogger(__name__)


class Sender(Protocol):
    """What asks the service: a transport."""

    async def send(self, request: RestRequest, call: Call) -> RestResponse:
        """Send `request`; raises GatewayError if there is no answer."""
        ...


class UpstreamProbe:
    """Asks the service, inside of `asking`, for a room that cannot be: the cheapest signed request.

    Any answer but a 401 or a 5xx will do. The service counts as gone until its first answer, and
    again after FAILURES questions in a row without one; one answer is enough to be back.
    """

    def __init__(  # noqa: PLR0913 - what varies
        self,
        sender: Sender,
        api_version: str,
        interval: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what sends, and seconds between two questions; `clock` is that of Call.deadline."""
        self._sender = sender
        self._request = RestRequest("GET", f"/rooms/0?api-version={api_version}")
        self._interval = interval
        self._sleep = sleep
        self._uniform = uniform
        self._clock = clock
        self._failures = 0
        self.answers = False
        """Whether the service counts as there."""

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask at once, and then every interval."""
        task = asyncio.create_task(self._ask_on())
        try:
            yield
        finally:
            await aio.cancel_and_wait(task)

    async def _ask_on(self) -> None:
        while True:
            self._note(await self._ask())
            await self._sleep(self._interval * self._uniform(1 - JITTER, 1 + JITTER))

    async def _ask(self) -> str | None:
        """Ask once; return what is wrong, None if nothing is."""
        deadline = self._clock() + min(_TIMEOUT, self._interval)
        try:
            answer = await self._sender.send(self._request, Call("", deadline, idempotent=True))
        except GatewayError as error:
            return str(error)
        if answer.status == UNAUTHORIZED or answer.status >= _SERVER_ERRORS_FROM:
            return f"HTTP status {answer.status}"
        return None

    def _note(self, fault: str | None) -> None:
        if fault is None:
            if not self.answers:
                logger.info("ready as far as the service is concerned: it answers")
            self.answers, self._failures = True, 0
            return
        self._failures += 1
        if self._failures == FAILURES:
            self.answers = False
            logger.warning(
                "not ready: the service was asked %d times in vain; the last time: %s",
                FAILURES,
                fault,
            )
