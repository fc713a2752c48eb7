"""A stop that is asked for from outside, by a signal or by whoever else may."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The last is of a terminal that was closed. It reloads nothing: files are followed anyway."""


def _heard() -> list[signal.Signals]:
    """Return those to listen to: whoever starts us with nohup wants no SIGHUP heard."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [number for number in _SIGNALS if hangs_up or number != signal.SIGHUP]


class ShutdownRequest:
    """Whether a stop was asked for, by what, and how far the process had come by then."""

    def __init__(self) -> None:
        self.first_signal: signal.Signals | None = None
        """The signal that asked first; None if it was no signal, or nobody has asked."""
        self.started = False
        """Whether the start has ended. Until then, who asks for a stop ends the start."""
        self.forced = False
        """Whether a second signal has ended the stop that was under way."""
        self._asked = asyncio.Event()
        self._signalled = False
        self._task: asyncio.Task[object] | None = None

    async def wait(self) -> None:
        """Return when a stop is asked for."""
        await self._asked.wait()

    def ask(self) -> None:
        """Ask for a stop; to ask again changes nothing."""
        if self._asked.is_set():
            return
        self._asked.set()
        if not self.started and self._task is not None:
            self._task.cancel()

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        """Let SIGTERM, SIGINT and SIGHUP ask, and a second one cancel the task that this runs in.

        A first signal ends no stop that others have asked for: Kubernetes sends one to a sidecar
        whose service has just asked it to stop.
        """
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        numbers = _heard()
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
        if not self._asked.is_set():
            self.first_signal = number
        self.ask()
