"""Logs: one line for each call, and nothing in it that a caller could have written at will."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import msgspec
from google.protobuf.message import Message

from rooms_gateway.telemetry.log_options import LogFormat
from rooms_gateway.telemetry.redaction import redacted

calls = logging.getLogger("rooms_gateway.calls")
"""One line for each call."""

requests = logging.getLogger("rooms_gateway.requests")
"""At debug level: what valid calls ask for, without the people in it."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_call = msgspec.json.Encoder().encode
"""For lines of calls: they are ASCII, which this one does not see to."""

FLUSH_INTERVAL = 0.005
"""Seconds within which lines of calls are written; a killed process takes those with it."""

_PEERS = {"unix": "unix", "ipv4": "tcp", "ipv6": "tcp"}


class FinishedCall(msgspec.Struct, frozen=True, gc=False):
    """The line of one call: all the fields that there are, in their order.

    Only values of our own making, or checked on the way in, are in it: never a message, a room's
    people or an error's text.
    """

    request_id: str
    method: str
    """As on the wire: `/package.Service/Method`."""
    code: str
    reason: str
    """That of ErrorInfo; empty if the call did not fail, or nobody was there to be told."""
    attempts: int
    """REST requests."""
    upstream_id: str
    """The service's own id (`MS-CV`) of its last answer; empty if there was none."""
    duration_ms: float
    """To three digits after the point."""
    peer: str
    """How the caller is connected: `unix`, `tcp` or `other`."""
    caller: str = ""
    """The policy's name for who called; empty if nobody is known."""
    trace_id: str = ""
    """That of the caller's trace, or of ours; empty if there is neither."""

    def __str__(self) -> str:
        """Return the line as people read it."""
        return (
            f"method={self.method} code={self.code} reason={self.reason or '-'} "
            f"ms={self.duration_ms:.1f} attempts={self.attempts} request_id={self.request_id} "
            f"upstream_id={self.upstream_id or '-'} peer={self.peer} "
            f"caller={self.caller or '-'} "
            f"trace_id={self.trace_id or '-'}"
        )


@lru_cache(maxsize=1024)
def peer_kind(peer: str) -> str:
    """Return how a caller is connected, without who it is, from what grpc says of it."""
    return _PEERS.get(peer.partition(":")[0], "other")


def log_call(call: FinishedCall) -> None:
    """Write the line of a finished call. Ask `calls.isEnabledFor` before making one."""
    handlers = logging.root.handlers
    # Whoever has handlers of their own gets records, as for any other line.
    if len(handlers) == 1 and isinstance(handlers[0], BatchingHandler) and not calls.handlers:
        handlers[0].add(call)
    else:
        calls.info(call)


def flush() -> None:
    """Write the lines of calls that wait for others."""
    for handler in logging.root.handlers:
        handler.flush()


def log_request(request_id: str, message: Message) -> None:
    """Write what a call asks for, if anybody wants to know."""
    if requests.isEnabledFor(logging.DEBUG):
        requests.debug(
            "request_id=%s %s %s", request_id, message.DESCRIPTOR.full_name, redacted(message)
        )


def configure(
    level: str, log_format: LogFormat | None = None, stream: TextIO | None = None
) -> None:
    """Log from `level` on, in `log_format`; None: console on a terminal, JSON otherwise.

    To standard error, unless told otherwise: standard output stays for what commands print.
    """
    target = stream or sys.stderr
    chosen = log_format or (LogFormat.CONSOLE if target.isatty() else LogFormat.JSON)
    handler = BatchingHandler(
        target, JsonFormatter() if chosen is LogFormat.JSON else ConsoleFormatter()
    )
    handler.addFilter(_is_not_metadata)
    logging.basicConfig(handlers=[handler], level=level.upper())


def _is_not_metadata(record: logging.LogRecord) -> bool:
    """Keep out what grpc logs of metadata that is no UTF-8: the value as it is, be it a token."""
    return not (
        record.name == "grpc._cython.cygrpc" and str(record.msg).startswith("Invalid encoding on")
    )


class BatchingHandler(logging.StreamHandler[TextIO]):
    """Writes all lines in their order, those of calls that end close to each other together.

    Within milliseconds, with the next line of another kind, or with the process. A record and a
    system call for each would be most of the cost; and many made in a row cost half as much as one
    at the end of each call, with all the code of a call in between.
    """

    def __init__(self, stream: TextIO, formatter: JsonFormatter | ConsoleFormatter) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)
        self._line = formatter.line_of_call
        # Others log from threads of their own; a deque loses nothing to them.
        self._waiting: deque[tuple[FinishedCall, float]] = deque()

    def add(self, call: FinishedCall) -> None:
        """Write the line of a call soon; at once if no loop runs."""
        first = not self._waiting
        self._waiting.append((call, time.time()))
        if first:
            try:
                asyncio.get_running_loop().call_later(FLUSH_INTERVAL, self.flush)
            except RuntimeError:
                self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line of another kind, after those that wait."""
        self._write_waiting()
        super().emit(record)

    def flush(self) -> None:
        """Write what waits; logging does it at the end of the process, too."""
        self.acquire()
        try:
            self._write_waiting()
            super().flush()
        finally:
            self.release()

    def _write_waiting(self) -> None:
        waiting = self._waiting
        if waiting:
            try:
                lines = [self._line(*waiting.popleft()) for _ in range(len(waiting))]
                self.stream.write("\n".join(lines) + "\n")
            except Exception:  # noqa: BLE001 - a log that cannot be written stops no call
                self.handleError(_RECORD)


_RECORD = logging.LogRecord(calls.name, logging.INFO, "", 0, "the lines of calls", None, None)
"""What logging says it could not write, if so."""


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line. Fields come from here, never from whoever logs."""

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._until_second = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record.msg, FinishedCall):
            return self.line_of_call(record.msg, record.created)
        fields = {
            "time": self._time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return _encode(fields)

    def line_of_call(self, call: FinishedCall, now: float) -> str:
        """Return the line of a call that has finished `now`."""
        fields = _encode_call(call).decode()[1:]
        return f'{{"time":"{self._time(now)}","level":"info","logger":"{calls.name}",{fields}'

    def _time(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._until_second = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._until_second}.{int((now - second) * 1000):03}Z"


class ConsoleFormatter(logging.Formatter):
    """Writes lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with control characters spelt out: a terminal obeys them."""
        line = super().format(record)
        return (
            line if line.isprintable() else _spelt_out(line, keep="\n" if record.exc_info else "")
        )

    def line_of_call(self, call: FinishedCall, now: float) -> str:
        """Return the line of a call that has finished `now`."""
        record = logging.makeLogRecord({**_RECORD.__dict__, "msg": call, "created": now})
        record.msecs = now % 1 * 1000
        return self.format(record)


def _spelt_out(text: str, keep: str) -> str:
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
