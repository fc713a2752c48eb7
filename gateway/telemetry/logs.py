"""Logs: one line for each call, and nothing in it that a caller could have written at will."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO

import msgspec
from google.protobuf.message import Message

from gateway.telemetry.redaction import redacted

calls = logging.getLogger("gateway.calls")
"""One line for each call."""

requests = logging.getLogger("gateway.requests")
"""At debug level: what valid calls ask for, without the people in it."""

_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_call = msgspec.json.Encoder().encode
"""For lines of calls: they are ASCII, which this one does not see to."""

_PEERS = {"unix": "unix", "ipv4": "tcp", "ipv6": "tcp"}


class LogFormat(StrEnum):
    """How lines are written."""

    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """The line of one call: all the fields that there are.

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


def peer_kind(peer: str) -> str:
    """Return how a caller is connected, without who it is, from what grpc says of it."""
    return _PEERS.get(peer.partition(":")[0], "other")


_RECORD = logging.LogRecord(calls.name, logging.INFO, "", 0, "", None, None)
"""What all records of calls have in common."""


def log_call(call: FinishedCall) -> None:
    """Write the line of a finished call. Ask `calls.isEnabledFor` before making one."""
    # Not calls.info, nor a LogRecord made anew: they find out who wrote the line, in which thread
    # and process, every time, which costs more than the line.
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_RECORD.__dict__)
    record.msg = call
    record.created = now = time.time()
    record.msecs = now % 1 * 1000
    record.relativeCreated = _RECORD.relativeCreated + (now - _RECORD.created) * 1000
    calls.handle(record)


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
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if chosen is LogFormat.JSON else ConsoleFormatter())
    handler.addFilter(_is_not_metadata)
    logging.basicConfig(handlers=[handler], level=level.upper())


def _is_not_metadata(record: logging.LogRecord) -> bool:
    """Keep out what grpc logs of metadata that is no UTF-8: the value as it is, be it a token."""
    return not (
        record.name == "grpc._cython.cygrpc" and str(record.msg).startswith("Invalid encoding on")
    )


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line. Fields come from here, never from whoever logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, str | int | float] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        call = record.msg
        if isinstance(call, FinishedCall):
            fields["request_id"] = call.request_id
            fields["method"] = call.method
            fields["code"] = call.code
            fields["reason"] = call.reason
            fields["attempts"] = call.attempts
            fields["upstream_id"] = call.upstream_id
            fields["duration_ms"] = round(call.duration_ms, 3)
            fields["peer"] = call.peer
            fields["caller"] = call.caller
            fields["trace_id"] = call.trace_id
            return _encode_call(fields).decode()
        fields["message"] = record.getMessage()
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return _encode(fields)


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


def _spelt_out(text: str, keep: str) -> str:
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
