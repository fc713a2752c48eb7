"""What systemd hears of a service with Type=notify: that it serves, stops, and is alive.

The protocol is one datagram for each word (sd_notify(3)), to the socket in NOTIFY_SOCKET.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from rooms_gateway import aio

_SEND_TIMEOUT = 1.0
"""Seconds for a word: a manager that does not listen must not hold up the gateway."""

logger = logging.getLogger(__name__)


class ServiceManager:
    """Who started the process and wants to hear of it; perhaps nobody."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """Take the path of a datagram socket ("@" in front: abstract), None to tell nobody.

        `watchdog` is in seconds: how long there may be no sign of life, None for ever.
        """
        self._address = address
        self._watchdog = watchdog if address else None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> ServiceManager:
        """Find it as systemd says where it is, for the process `pid` (None: this one)."""
        # A watchdog may be meant for the process that started this one.
        meant = environment.get("WATCHDOG_PID") in (None, "", str(pid or os.getpid()))
        microseconds = environment.get("WATCHDOG_USEC", "")
        usable = meant and microseconds.isascii() and microseconds.isdigit()
        watchdog = int(microseconds) / 1e6 if usable else 0
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog or None)

    def tell(self, state: str) -> None:
        """Say `state`, such as "READY=1". That nobody hears it is logged, and no failure."""
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):
            address = f"\0{address[1:]}"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_TIMEOUT)
                sender.sendto(state.encode(), address)
        except OSError as error:
            logger.warning("cannot tell systemd %s: %s", state, error.strerror or error)

    @asynccontextmanager
    async def watching(
        self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> AsyncIterator[None]:
        """Give signs of life inside, if it asks for them. Like /livez: the event loop turns."""
        if self._watchdog is None:
            yield
            return
        signs = asyncio.create_task(self._give_signs(self._watchdog / 2, sleep))
        try:
            yield
        finally:
            await aio.cancel_and_wait(signs)

    async def _give_signs(self, interval: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            self.tell("WATCHDOG=1")
            await sleep(interval)
