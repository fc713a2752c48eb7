"""The JWKS of a token issuer, fetched from a URL ahead of need and for tokens with unknown keys."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from rooms_gateway import aio
from rooms_gateway.addresses import is_loopback
from rooms_gateway.files import ErrorReporter
from rooms_gateway.server.auth.jwt import Key, read_keys
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver

REFRESH_INTERVAL = 300.0
"""Seconds between two periodic fetches, after which a withdrawn key is no longer accepted."""

COOLDOWN = 10.0
"""Seconds after a fetch in which tokens with unknown keys cause no other one."""

TIMEOUT = 5.0
"""Timeout of a fetch, in seconds."""

MAX_BYTES = 256 * 1024

logger = logging.getLogger(__name__)


def check_url(url: str) -> None:
    """Raise ValueError, with the end of a sentence, if a JWKS must not be fetched from `url`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if not url.isprintable() or not url.isascii() or " " in url or not host:
        raise ValueError("is not a URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user name or password")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must begin with https://: http:// is accepted for loopback only")


class JwksClient:
    """The keys of the last successful fetch from a URL.

    Unlike a followed file, it is refreshed on demand, at most once per cooldown.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: CredentialObserver = NOOP_OBSERVER,
    ) -> None:
        self.url = url
        self.keys: tuple[Key, ...] = ()
        self.fetches = 0
        """Number of started fetches."""
        self._clock = clock
        self._sleep = sleep
        self._observer = observer
        self._errors = ErrorReporter(self._report)
        self._fetched_at = -COOLDOWN
        self._fetching: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Fetch the keys, except during the cooldown; concurrent callers share one fetch."""
        if self._fetching is None:
            if self._clock() - self._fetched_at < COOLDOWN:
                return
            self._fetching = asyncio.create_task(self._fetch())
        # Not awaited directly: a caller's cancellation would cancel the fetch for all callers, and
        # `close` cancels the fetch without cancelling the callers.
        await asyncio.wait([self._fetching])

    def start(self) -> None:
        """Start to fetch the keys periodically."""
        self._polling = asyncio.create_task(aio.every(REFRESH_INTERVAL, self.refresh, self._sleep))

    async def close(self) -> None:
        """Stop fetching."""
        await aio.cancel_and_wait(self._polling, self._fetching)

    async def _fetch(self) -> None:
        self.fetches += 1
        try:
            self.keys = read_keys(await _download(self.url))
        except (ValueError, OSError) as error:
            self._errors.failed(f"cannot load a JWKS from {self.url}: {_reason(error)}")
        else:
            self._errors.succeeded()
        finally:
            self._fetched_at = self._clock()
            self._fetching = None

    def _report(self, error: str) -> None:
        self._observer.credential_event(CredentialEvent.CALLER_KEYS_UNUSABLE)
        logger.warning("%s%s", error, "; keeping the current keys" if self.keys else "")


async def _download(url: str) -> bytes:
    """Return the body of the response. Raises ValueError, or OSError for network errors."""
    # Imported here: settings are checked without it.
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                # A decompressed body could exceed the limit before it is counted.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                raise ValueError(f"the response has the status {response.status}")
            content = b""
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise ValueError(f"the response has more than {MAX_BYTES} bytes")
            return content
    except aiohttp.ClientError as error:
        raise ValueError(f"no response ({type(error).__name__})") from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no response within {TIMEOUT:g} seconds"
    if isinstance(error, OSError):
        return error.strerror or "network error"
    return str(error)
