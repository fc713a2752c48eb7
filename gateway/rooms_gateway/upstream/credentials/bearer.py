"""Bearer tokens: fetched at start, renewed ahead of their end, one fetch at a time.

Where tokens come from is an argument; see `entra` for the one place that there is.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

from rooms_gateway import aio
from rooms_gateway.errors import CredentialExpiredError
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver
from rooms_gateway.upstream.credentials.protocol import CredentialError, Signer

RENEWAL_MARGIN = 300.0
"""Seconds before its end at which a token is renewed at the latest; less for short-lived ones."""

RENEWAL_SHARE = 0.2
"""The share of its life that a token has left at its renewal, if that is less than the margin."""

FORCED_INTERVAL = 10.0
"""Seconds between two renewals because of a 401: those that help do so at once."""

MAX_BACKOFF = 30.0
"""The longest wait, in seconds, after a renewal that failed."""

TICK = 5.0
"""The longest sleep, in seconds: clocks are set, and machines are put to sleep."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and how long it can be used."""

    value: str = field(repr=False)
    expires_at: float
    """In seconds of the epoch, as are all instants here."""
    refresh_at: float | None = None
    """When its issuer wants it renewed; None if it does not say."""


FetchToken = Callable[[], Awaitable[Token]]
"""Gets a new token from its issuer, never one that was given before, unless the issuer does so.

Raises CredentialError.
"""


@dataclass(frozen=True, slots=True, repr=False)
class Bearer:
    """Presents one token. Neither a date nor a hash goes with it, as in Microsoft's clients."""

    value: str
    dated: ClassVar[bool] = False

    def __repr__(self) -> str:
        return "Bearer(***)"

    def sign(
        self,
        method: str,  # noqa: ARG002 - a token is the same for every request
        target: str,  # noqa: ARG002
        host: str,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> dict[str, str]:
        """Return `Authorization`."""
        return {"Authorization": f"Bearer {self.value}"}


class BearerTokens:
    """The current token of an identity."""

    def __init__(
        self,
        fetch: FetchToken,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """Take the source of tokens; nothing is fetched before `async with`."""
        self._fetch = fetch
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._observer = observer
        self._bearer = Bearer("")
        self._expires_at = self._due = self._forced_at = -float("inf")
        self._failures = 0
        self._fault: CredentialError | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return "BearerTokens(***)"

    @property
    def signer(self) -> Bearer:
        """The current token. Raises CredentialExpiredError when its time is over."""
        if self._clock() >= self._expires_at:
            raise CredentialExpiredError(
                "the gateway's own token for the service has expired, and no new one could be had"
            )
        return self._bearer

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a token that is not among `rejected`, a new one if need be; None if there is none.

        All who ask at the same time wait for the same renewal.
        """
        if self._bearer in rejected:
            await self._force()
        return None if self._bearer in rejected else self._bearer

    def prefer(self, signer: Signer) -> None:
        """Do nothing: there is only the latest token."""

    async def _force(self) -> None:
        now = self._clock()
        under_way = self._renewal is not None and not self._renewal.done()
        if not under_way and now < self._forced_at + FORCED_INTERVAL:
            return
        if not under_way:
            logger.warning("the service rejected the gateway's token; asking for a new one")
            self._forced_at = now
        await self._renew()

    async def _renew(self) -> None:
        """Renew, or wait for the renewal under way. What fails is logged, and planned again."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew_once())
        # Shielded: others may be waiting for it when one of them gives up.
        await asyncio.shield(self._renewal)

    async def _renew_once(self) -> None:
        try:
            token = await self._fetch()
            if token.expires_at <= self._clock():
                raise CredentialError(
                    "the token that came has expired already: is the clock of this machine right?"
                )
        except CredentialError as fault:
            self._fault = fault
            self._observer.credential_event(CredentialEvent.TOKEN_NOT_RENEWED)
            if not self._bearer.value:
                return  # The start fails with it, and says so.
            wait = self._uniform(0.5, 1) * min(MAX_BACKOFF, 2.0**self._failures)
            self._failures += 1
            now = self._clock()
            self._due = now + wait
            logger.warning(
                "no new token, trying again in %.1f s (the one in use lives for %.0f s): %s",
                wait,
                max(0.0, self._expires_at - now),
                fault,
            )
            return
        now = self._clock()
        self._failures = 0
        self._fault = None
        self._bearer = Bearer(token.value)
        self._expires_at = token.expires_at
        self._observer.token_expires(token.expires_at)
        self._observer.credential_event(CredentialEvent.TOKEN_RENEWED)
        life = max(0.0, token.expires_at - now)
        latest = token.expires_at - min(RENEWAL_MARGIN, RENEWAL_SHARE * life)
        self._due = latest if token.refresh_at is None else min(latest, token.refresh_at)
        # An issuer that repeats a token past its own advice is not asked without a pause.
        self._due = max(self._due, now + 1)
        logger.info("got a token that lives for %.0f s", life)

    async def _keep_fresh(self) -> None:
        while True:
            wait = self._due - self._clock()
            if wait > 0:
                await self._sleep(min(wait, TICK))
            else:
                await self._renew()

    async def __aenter__(self) -> Self:
        try:
            await self._renew()
            if self._fault is not None:
                raise self._fault
        except BaseException:
            await self._stop()
            raise
        self._keeping = asyncio.create_task(self._keep_fresh())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await aio.cancel_and_wait(self._keeping, self._renewal)
