"""DNS lookups of one host, with a memory for times when DNS does not work."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from rooms_gateway.files import ErrorReporter

STALE_AFTER = 1.0
"""Seconds of a lookup after which the last known addresses are used instead of its result."""

logger = logging.getLogger(__name__)


class Resolver:
    """Resolves one host; concurrent callers share one lookup.

    The addresses of the last successful lookup are used if a later one fails or is slow.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._running: asyncio.Future[list[Any]] | None = None
        self._known: list[Any] = []
        self._errors = ErrorReporter(self._report)

    def close(self) -> None:
        """Cancel the lookup in progress, if any."""
        if self._running is not None:
            self._running.cancel()

    async def addresses(self) -> list[Any]:
        """Return addresses as `socket.getaddrinfo` does. Raises OSError if none are known."""
        if self._running is None:
            loop = asyncio.get_running_loop()
            self._running = asyncio.ensure_future(
                loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            )
            self._running.add_done_callback(self._looked_up)
        lookup = self._running
        # asyncio.wait, so that a cancelled caller does not cancel the shared lookup.
        await asyncio.wait([lookup], timeout=STALE_AFTER if self._known else None)
        if self._known and (not lookup.done() or lookup.exception() is not None):
            return self._known
        return lookup.result()

    def _looked_up(self, lookup: asyncio.Future[list[Any]]) -> None:
        self._running = None
        if lookup.cancelled():
            return
        # Retrieved, because asyncio logs an exception that is never retrieved.
        error = lookup.exception()
        if error is None:
            self._known = lookup.result()
            self._errors.succeeded()
        elif self._known:
            self._errors.failed(getattr(error, "strerror", None) or type(error).__name__)

    def _report(self, error: str) -> None:
        logger.warning(
            "cannot look up %s: %s; using the addresses of the last successful lookup",
            self._host,
            error,
        )
