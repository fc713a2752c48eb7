"""Bearer tokens: fetched at startup, renewed before they expire, one fetch at a time."""

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
"""Seconds before expiry at which a token is renewed at the latest; see RENEWAL_SHARE."""

RENEWAL_SHARE = 0.2
"""Share of its lifetime before expiry at which a token is renewed, if less than RENEWAL_MARGIN."""

FORCED_INTERVAL = 10.0
"""Minimum interval of renewals caused by a 401, in seconds."""

MAX_BACKOFF = 30.0
"""Maximum wait after a failed renewal, in seconds."""

TICK = 5.0
"""Maximum sleep, in seconds, because the clock can be set and the machine suspended."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its lifetime."""

    value: str = field(repr=False)
    expires_at: float
    """In seconds since the epoch, like every time in this module."""
    refresh_at: float | None = None
    """Renewal time that the issuer advises; None if it does not advise any."""


FetchToken = Callable[[], Awaitable[Token]]
"""Fetches a token from its issuer, without a cache. Raises CredentialError."""


@dataclass(frozen=True, slots=True, repr=False)
class Bearer:
    """Presents one token, without date and body hash, like Microsoft's clients."""

    value: str
    dated: ClassVar[bool] = False

    def __repr__(self) -> str:
        return "Bearer(***)"

    def sign(
        self,
        method: str,
        target: str,
        host: str,
        body: bytes,
        now: float,
    ) -> dict[str, str]:
        """Return `Authorization`."""
        return {"Authorization": f"Bearer {self.value}"}


class BearerTokens:
    """The current token of an identity, renewed in the background."""

    def __init__(
        self,
        fetch: FetchToken,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        """`fetch` is first called at the start of `async with`."""
        self._fetch = fetch
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform
        self._observer = observer
        self._bearer = Bearer("")
        self._expires_at = self._renew_at = self._forced_at = -float("inf")
        self._failures = 0
        self._error: CredentialError | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renewer: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return "BearerTokens(***)"

    @property
    def signer(self) -> Bearer:
        """The current token. Raises CredentialExpiredError if it has expired."""
        if self._clock() >= self._expires_at:
            raise CredentialExpiredError(
                "the gateway's Entra ID token for the Rooms service has expired and could not be "
                "renewed"
            )
        return self._bearer

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a token that is not among `rejected`, after a renewal; None if there is none.

        Concurrent callers share one renewal.
        """
        if self._bearer in rejected:
            await self._force()
        return None if self._bearer in rejected else self._bearer

    def prefer(self, signer: Signer) -> None:
        """Do nothing: there is only the latest token."""

    async def _force(self) -> None:
        now = self._clock()
        renewing = self._renewal is not None and not self._renewal.done()
        if not renewing and now < self._forced_at + FORCED_INTERVAL:
            return
        if not renewing:
            logger.warning("the Rooms service rejected the Entra ID token; requesting a new one")
            self._forced_at = now
        await self._renew()

    async def _renew(self) -> None:
        """Renew, or wait for the renewal in progress. A failure is logged and retried later."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew_once())
        # Shielded, so that a cancelled caller does not cancel the shared renewal.
        await asyncio.shield(self._renewal)

    async def _renew_once(self) -> None:
        try:
            token = await self._fetch()
            if token.expires_at <= self._clock():
                raise CredentialError(
                    "the issuer returned an expired token: check the clock of this host"
                )
        except CredentialError as error:
            self._error = error
            self._observer.credential_event(CredentialEvent.TOKEN_NOT_RENEWED)
            if not self._bearer.value:
                return  # Startup fails with the error.
            wait = self._uniform(0.5, 1) * min(MAX_BACKOFF, 2.0**self._failures)
            self._failures += 1
            now = self._clock()
            self._renew_at = now + wait
            logger.warning(
                "token renewal failed, retrying in %.1f s (the token in use expires in %.0f s): %s",
                wait,
                max(0.0, self._expires_at - now),
                error,
            )
            return
        now = self._clock()
        self._failures = 0
        self._error = None
        self._bearer = Bearer(token.value)
        self._expires_at = token.expires_at
        self._observer.token_expires(token.expires_at)
        self._observer.credential_event(CredentialEvent.TOKEN_RENEWED)
        lifetime = max(0.0, token.expires_at - now)
        latest = token.expires_at - min(RENEWAL_MARGIN, RENEWAL_SHARE * lifetime)
        advised = latest if token.refresh_at is None else min(latest, token.refresh_at)
        # At least 1 s from now, because issuers can return a token past its advised renewal.
        self._renew_at = max(advised, now + 1)
        logger.info("received a token that expires in %.0f s", lifetime)

    async def _renew_on_time(self) -> None:
        while True:
            wait = self._renew_at - self._clock()
            if wait > 0:
                await self._sleep(min(wait, TICK))
            else:
                await self._renew()

    async def __aenter__(self) -> Self:
        try:
            await self._renew()
            if self._error is not None:
                raise self._error
        except BaseException:
            await self._stop()
            raise
        self._renewer = asyncio.create_task(self._renew_on_time())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await aio.cancel_and_wait(self._renewer, self._renewal)
