"""The issuer's keys from a URL: fetched ahead, and again when a token names one that is new."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from rooms_gateway import aio
from rooms_gateway.addresses import is_loopback
from rooms_gateway.server.auth.jwt import Key, read_keys
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver

REFRESH_INTERVAL = 300.0
"""Seconds between two fetches that nothing asks for: so a key that was withdrawn is forgotten."""

COOLDOWN = 10.0
"""Seconds after a fetch before a token with an unknown key causes another one."""

TIMEOUT = 5.0
"""Seconds for one fetch."""

MAX_BYTES = 256 * 1024

logger = logging.getLogger(__name__)


def check_url(url: str) -> None:
    """Raise ValueError, with the end of a sentence, if keys must not be fetched from `url`."""
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
        raise ValueError("must begin with https://: http:// is for this machine only")


class JwksClient:
    """The keys at a URL, as they were last fetched. A fetch that fails keeps those from before."""

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
        """How many have begun."""
        self._clock = clock
        self._sleep = sleep
        self._observer = observer
        self._fetched_at = -COOLDOWN
        self._fetching: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._fault = ""

    async def look_again(self) -> None:
        """Fetch the keys, unless that has just been done; all who ask at once share one fetch."""
        if self._fetching is None:
            if self._clock() - self._fetched_at < COOLDOWN:
                return
            self._fetching = asyncio.create_task(self._fetch())
        # Neither does a caller who goes away take the fetch from the others, nor does the end of
        # the fetch, when the keys are from elsewhere now, look like the end of the caller.
        await asyncio.wait([self._fetching])

    async def _fetch(self) -> None:
        self.fetches += 1
        try:
            self.keys = read_keys(await _download(self.url))
        except (ValueError, OSError) as error:
            fault = f"cannot take keys from {self.url}: {_why(error)}"
            if fault != self._fault:
                self._observer.credential_event(CredentialEvent.CALLER_KEYS_UNUSABLE)
                logger.warning("%s%s", fault, "; those from before stay" if self.keys else "")
            self._fault = fault
        else:
            self._fault = ""
        finally:
            self._fetched_at = self._clock()
            self._fetching = None

    def follow(self) -> None:
        """Fetch the keys again and again from now on."""
        self._following = asyncio.create_task(
            aio.every(REFRESH_INTERVAL, self.look_again, self._sleep)
        )

    async def close(self) -> None:
        """Stop following."""
        await aio.cancel_and_wait(self._following, self._fetching)


async def _download(url: str) -> bytes:
    """Return what is at `url`. Raises ValueError, or OSError for what the network does."""
    # Not at the top: settings are checked without it.
    import aiohttp  # noqa: PLC0415

    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                # What is decompressed is much before it can be counted.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - HTTP's OK
                raise ValueError(f"the answer has the status {response.status}")
            content = b""
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise ValueError(f"the answer has more than {MAX_BYTES} bytes")
            return content
    except aiohttp.ClientError as error:
        raise ValueError(f"no answer ({type(error).__name__})") from None


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} seconds"
    if isinstance(error, OSError):
        return error.strerror or "the network failed"
    return str(error)
