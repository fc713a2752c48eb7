"""Log lines: the fields of a call's line, and the formatters for JSON and for the console."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

CALLS = "rooms_gateway.calls"
"""Name of the logger with one line per call."""

resource: ContextVar[str] = ContextVar("resource", default="")
"""Name of the resource that the current task works for; empty in a gateway without named ones."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_call = msgspec.json.Encoder().encode
"""For lines of calls only: it does not escape non-ASCII characters, and they have none."""


class FinishedCall(msgspec.Struct, frozen=True, gc=False):
    """The line of one call: all its fields, in their order.

    All values are generated or validated by the gateway. It never contains a message, a
    participant or the text of an error.
    """

    request_id: str
    method: str
    """`/package.Service/Method`, as on the wire."""
    code: str
    reason: str
    """Reason of ErrorInfo; empty if the call succeeded or the client cancelled it."""
    attempts: int
    """REST requests, including retries."""
    upstream_id: str
    """The upstream's id (`MS-CV`) of its last response; may be empty."""
    duration_ms: float
    """With three decimals."""
    peer: str
    """Transport of the client: `unix`, `tcp` or `other`."""
    caller: str = ""
    """Caller name from the policy; empty if not authenticated."""
    trace_id: str = ""
    """Trace id of the call; empty without a trace."""
    resource: str | msgspec.UnsetType = msgspec.UNSET
    """Name of the resource; unset, and no field of the line, in a gateway without named ones."""

    def __str__(self) -> str:
        """Return the line for the console."""
        return (
            f"method={self.method} code={self.code} reason={self.reason or '-'} "
            f"ms={self.duration_ms:.1f} attempts={self.attempts} request_id={self.request_id} "
            f"upstream_id={self.upstream_id or '-'} peer={self.peer} "
            f"caller={self.caller or '-'} "
            f"trace_id={self.trace_id or '-'}"
            f"{f' resource={self.resource}' if self.resource else ''}"
        )


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with a fixed set of fields."""

    def __init__(self) -> None:
        super().__init__()
        self._second = -1
        self._time_prefix = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        if isinstance(record.msg, FinishedCall):
            return self.line_of_call(record.msg, record.created)
        fields = {
            "time": self._time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if name := resource.get():
            fields["resource"] = name
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return _encode(fields)

    def line_of_call(self, call: FinishedCall, now: float) -> str:
        """Return the line of a call that ended at `now`, in seconds since the epoch."""
        fields = _encode_call(call).decode()[1:]
        return f'{{"time":"{self._time(now)}","level":"info","logger":"{CALLS}",{fields}'

    def _time(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._time_prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._time_prefix}.{int((now - second) * 1000):03}Z"


class ConsoleFormatter(logging.Formatter):
    """Formats a record as text for a terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with control characters escaped for the terminal."""
        line = super().format(record)
        if (name := resource.get()) and not isinstance(record.msg, FinishedCall):
            line += f" resource={name}"
        return line if line.isprintable() else _escaped(line, keep="\n" if record.exc_info else "")

    def line_of_call(self, call: FinishedCall, now: float) -> str:
        """Return the line of a call that ended at `now`, in seconds since the epoch."""
        record = logging.LogRecord(CALLS, logging.INFO, "", 0, call, None, None)
        record.created, record.msecs = now, now % 1 * 1000
        return self.format(record)


def _escaped(text: str, keep: str) -> str:
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
