"""Writer of output lines that never waits for their reader."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue

_CLOSE_SECONDS = 1.0


class LineWriter:
    """Writes lines to a file descriptor, in a thread.

    `limit` is the number of lines that are kept while nothing reads them; further ones are dropped
    and counted, and `describe_dropped` turns the number into a line. Lines are dropped silently
    once the reader has closed its end.
    """

    def __init__(
        self, descriptor: int, describe_dropped: Callable[[int], str], *, limit: int = 10_000
    ) -> None:
        self._descriptor = descriptor
        self._describe_dropped = describe_dropped
        self._lines: Queue[str | None] = Queue(limit)
        self._dropped = 0
        # A daemon, because a reader that has stopped must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Write a line later, or drop it if too many are waiting. It may contain line feeds."""
        try:
            self._lines.put_nowait(line)
        except Full:
            self._dropped += 1

    def close(self) -> None:
        """Write the remaining lines; give up if nothing reads them for a second."""
        with suppress(Full):
            self._lines.put(None, timeout=_CLOSE_SECONDS)
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        reader_gone = False
        while (line := self._lines.get()) is not None:
            if reader_gone:
                continue
            try:
                self._write(line)
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._write(self._describe_dropped(dropped))
            except OSError:
                reader_gone = True

    def _write(self, line: str) -> None:
        rest = f"{line}\n".encode(errors="backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Another process has made the shared terminal or pipe non-blocking.
                select.select([], [self._descriptor], [])
