"""The progress of a job on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 30
_ON_TERMINAL, _IN_LOG = 0.1, 10.0
"""Seconds between two updates."""


class Progress:
    """Shows a bar on a terminal, and otherwise a line from time to time."""

    def __init__(
        self,
        total: int | None = None,
        *,
        visible: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` is None if it is unknown; `stream` is standard error by default."""
        self._visible = visible
        self._total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._interval = _ON_TERMINAL if self._is_terminal else _IN_LOG
        self._shown_at = clock()

    def show(self, succeeded: int, failed: int) -> None:
        """Show these numbers, unless others were shown just before."""
        now = self._clock()
        if not self._visible or now < self._shown_at + self._interval:
            return
        self._shown_at = now
        done = succeeded + failed
        text = f"{done} of {self._total}" if self._total is not None else f"{done}"
        if failed:
            text += f", {failed} failed"
        if not self._is_terminal:
            self._write(f"{text}\n")
            return
        if self._total:
            filled = _WIDTH * done // self._total
            text = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {text}"
        self._write(f"\r{text}\x1b[K")

    def report(self, line: str) -> None:
        """Write a line in place of the bar."""
        self.close()
        self._write(f"{line}\n")

    def close(self) -> None:
        """Remove the bar."""
        if self._visible and self._is_terminal:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
