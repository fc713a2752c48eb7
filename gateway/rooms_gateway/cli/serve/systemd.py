"""Notifications to systemd for a service with Type=notify: ready, stopping, watchdog.

The protocol is one datagram per notification (sd_notify(3)), to the socket in NOTIFY_SOCKET.
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
"""Timeout per notification, in seconds: a full socket must not delay the gateway."""

logger = logging.getLogger(__name__)


class ServiceManager:
    """The systemd instance that started the process, if any."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """`address` is the path of a datagram socket ("@" in front: abstract); None: no systemd.

        `watchdog` is the longest time between two watchdog notifications, in seconds; None: no
        watchdog.
        """
        self._address = address
        self._watchdog = watchdog if address else None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int | None = None) -> ServiceManager:
        """Read the variables that systemd sets, for the process `pid` (None: this one)."""
        # The watchdog may be for the parent process.
        ours = environment.get("WATCHDOG_PID") in (None, "", str(pid or os.getpid()))
        microseconds = environment.get("WATCHDOG_USEC", "")
        usable = ours and microseconds.isascii() and microseconds.isdigit()
        watchdog = int(microseconds) / 1e6 if usable else 0
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog or None)

    def notify(self, state: str) -> None:
        """Send `state` (for example "READY=1") to systemd. A send error is logged and ignored."""
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
            logger.warning("cannot notify systemd of %s: %s", state, error.strerror or error)

    @asynccontextmanager
    async def watchdog(
        self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> AsyncIterator[None]:
        """Notify the watchdog, if there is one, while the event loop runs: the same as /livez."""
        if self._watchdog is None:
            yield
            return
        task = asyncio.create_task(self._keep_alive(self._watchdog / 2, sleep))
        try:
            yield
        finally:
            await aio.cancel_and_wait(task)

    async def _keep_alive(self, interval: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        while True:
            self.notify("WATCHDOG=1")
            await sleep(interval)
