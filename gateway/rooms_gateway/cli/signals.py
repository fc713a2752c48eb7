"""Shutdown on request: by a signal, or by another part of the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP comes from a terminal that closes. It reloads nothing: files are followed anyway."""


def _signals_to_handle() -> list[signal.Signals]:
    """Return the signals that request a shutdown; nohup(1) excludes SIGHUP by ignoring it."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in _SIGNALS if number != signal.SIGHUP or not ignored]


class ShutdownRequest:
    """A request to shut down, and how far the process had come when it arrived."""

    def __init__(self) -> None:
        self.first_signal: signal.Signals | None = None
        """The signal that made the request; None without a request, or if no signal made it."""
        self.startup_complete = False
        """Whether startup has ended. Before that, a request cancels the startup."""
        self.forced = False
        """Whether a second signal has ended the graceful shutdown."""
        self._requested = asyncio.Event()
        self._signalled = False
        self._task: asyncio.Task[object] | None = None

    async def wait(self) -> None:
        """Return when the shutdown is requested."""
        await self._requested.wait()

    def request(self) -> None:
        """Request the shutdown. Idempotent."""
        if self._requested.is_set():
            return
        self._requested.set()
        if not self.startup_complete and self._task is not None:
            self._task.cancel()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGTERM, SIGINT and SIGHUP make the request; a second one cancels the current task.

        The first signal after a request by other means changes nothing: Kubernetes sends SIGTERM to
        a sidecar after the workload has requested its shutdown.
        """
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        numbers = _signals_to_handle()
        for number in numbers:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._signalled:
            self.forced = True
            if self._task is not None:
                self._task.cancel()
            return
        self._signalled = True
        if not self._requested.is_set():
            self.first_signal = number
        self.request()
