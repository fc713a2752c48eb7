"""Standard error of the command: banner, access log and warnings, as text or JSON."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from rooms_emulator.output.access_log import Access
from rooms_emulator.output.line_writer import LineWriter


class Output:
    """Writes lines to standard error, each a JSON object with `json`. It never waits for a reader.

    With `quiet`, only warnings are written.
    """

    def __init__(self, *, json: bool, quiet: bool) -> None:
        self._json = json
        self._quiet = quiet
        self._color = not json and "NO_COLOR" not in os.environ and sys.stderr.isatty()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Write lines in this context, warnings of Python's logging included."""
        self._writer = LineWriter(sys.stderr.fileno(), self._describe_dropped)
        handler = _Handler(self)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            self._writer.close()

    def log(self, access: Access) -> None:
        """Write the line of a request."""
        if self._quiet:
            return
        if self._json:
            self._writer.write(encode(access))
        else:
            self._writer.write(access.text(color=self._color))

    def show(self, lines: Iterable[str]) -> None:
        """Write lines for a reader, unless there is none."""
        if not (self._quiet or self._json):
            self._writer.write("\n".join(lines))

    def warn(self, level: str, message: str) -> None:
        """Write a warning or an error."""
        if self._json:
            self._writer.write(encode({"event": "log", "level": level, "message": message}))
        else:
            self._writer.write(message)

    def _describe_dropped(self, count: int) -> str:
        if self._json:
            return encode({"event": "dropped", "lines": count})
        return f"{count} lines were dropped, because nothing read standard error"


class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__(logging.WARNING)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.warn(record.levelname.lower(), self.format(record))


def encode(event: object) -> str:
    """Return an event as a line of JSON."""
    return msgspec.json.encode(event).decode()
