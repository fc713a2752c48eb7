"""Logging: configuration, and one line per call."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from functools import lru_cache
from typing import TextIO

from google.protobuf.message import Message

from rooms_gateway.telemetry.log_lines import (
    CALLS,
    ConsoleFormatter,
    FinishedCall,
    JsonFormatter,
    resource,
)
from rooms_gateway.telemetry.log_options import LogFormat
from rooms_gateway.telemetry.redaction import redacted

__all__ = [
    "FLUSH_INTERVAL",
    "FinishedCall",
    "LogFormat",
    "calls",
    "configure",
    "flush",
    "log_call",
    "log_request",
    "peer_kind",
    "resource",
]

calls = logging.getLogger(CALLS)
"""One line per call."""

requests = logging.getLogger("rooms_gateway.requests")
"""At debug level: valid request messages, redacted."""

FLUSH_INTERVAL = 0.005
"""Seconds that call log lines are buffered; SIGKILL loses at most these."""

_PEERS = {"unix": "unix", "ipv4": "tcp", "ipv6": "tcp"}


@lru_cache(maxsize=1024)
def peer_kind(peer: str) -> str:
    """Return the kind of transport for a peer as grpc names it, without its address."""
    return _PEERS.get(peer.partition(":")[0], "other")


def log_call(call: FinishedCall) -> None:
    """Log a finished call. Check `calls.isEnabledFor` before creating one."""
    handlers = logging.root.handlers
    # Without a LogRecord, which would be most of the cost; other handlers need one.
    if len(handlers) == 1 and isinstance(handlers[0], BatchingHandler) and not calls.handlers:
        handlers[0].add(call)
    else:
        calls.info(call)


def flush() -> None:
    """Write the buffered lines of calls."""
    for handler in logging.root.handlers:
        handler.flush()


def log_request(request_id: str, message: Message) -> None:
    """Log a request message, redacted, if the level is debug."""
    if requests.isEnabledFor(logging.DEBUG):
        requests.debug(
            "request_id=%s %s %s", request_id, message.DESCRIPTOR.full_name, redacted(message)
        )


def configure(
    level: str, log_format: LogFormat | None = None, stream: TextIO | None = None
) -> None:
    """Log from `level` on to `stream`, standard error by default.

    The default of `log_format` is console on a terminal and JSON otherwise.
    """
    target = stream or sys.stderr
    chosen = log_format or (LogFormat.CONSOLE if target.isatty() else LogFormat.JSON)
    handler = BatchingHandler(
        target, JsonFormatter() if chosen is LogFormat.JSON else ConsoleFormatter()
    )
    handler.addFilter(_drop_invalid_metadata)
    logging.basicConfig(handlers=[handler], level=level.upper())


def _drop_invalid_metadata(record: logging.LogRecord) -> bool:
    """Drop grpc's message on metadata that is not UTF-8: it has the value, maybe a token."""
    return not (
        record.name == "grpc._cython.cygrpc" and str(record.msg).startswith("Invalid encoding on")
    )


class BatchingHandler(logging.StreamHandler[TextIO]):
    """Writes all lines in order, and buffers those of calls for FLUSH_INTERVAL.

    The buffer is also written with the next line of another kind and when the process ends. One
    record and one system call per line would be most of the cost of logging.
    """

    def __init__(self, stream: TextIO, formatter: JsonFormatter | ConsoleFormatter) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._line = formatter.line_of_call
        # Other threads log too; the operations of a deque are atomic.
        self._buffer: deque[tuple[FinishedCall, float]] = deque()

    def add(self, call: FinishedCall) -> None:
        """Buffer the line of a call; write it at once if no event loop runs."""
        first = not self._buffer
        self._buffer.append((call, time.time()))
        if first:
            try:
                asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self.flush)
            except RuntimeError:
                self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the buffer, and then the line of another kind."""
        self._write_buffer()
        super().emit(record)

    def flush(self) -> None:
        """Write the buffer. `logging` calls this at the end of the process, too."""
        self.acquire()
        try:
            self._write_buffer()
            super().flush()
        finally:
            self.release()

    def _write_buffer(self) -> None:
        buffer = self._buffer
        if buffer:
            try:
                lines = [self._line(*buffer.popleft()) for _ in range(len(buffer))]
                self.stream.write("\n".join(lines) + "\n")
            except Exception:  # noqa: BLE001 - a log that cannot be written must not fail calls
                self.handleError(_RECORD)


_RECORD = logging.LogRecord(CALLS, logging.INFO, "", 0, "lines of calls", None, None)
"""Record that `logging` names in its report of a failed write."""
