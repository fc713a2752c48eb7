"""Log lines: format, fields, and data that they never contain."""

from __future__ import annotations

import io
import json
import logging
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

import pytest
from acs.rooms.v1.participants_pb2 import Participant, UpsertParticipantsRequest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.gateways import until

from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.log_lines import ConsoleFormatter, FinishedCall, JsonFormatter
from rooms_gateway.telemetry.logs import LogFormat, configure, log_call, peer_kind

CALL = FinishedCall(
    request_id="id",
    method="/acs.rooms.v1.RoomsService/GetRoom",
    code="NOT_FOUND",
    reason="ERROR_REASON_ROOM_NOT_FOUND",
    attempts=2,
    upstream_id="cv.0",
    duration_ms=12.346,
    peer="unix",
    caller="billing",
    trace_id="4bf9",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Written(io.StringIO):
    """Records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


@contextmanager
def started(level: str, log_format: LogFormat | None, stream: io.StringIO) -> Iterator[None]:
    """Configure logging as at startup, without the handlers of pytest."""
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    root.handlers.clear()
    try:
        configure(level, log_format, stream)
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)


def record_of(message: object, *arguments: object, **others: object) -> logging.LogRecord:
    record = logging.LogRecord("some.logger", logging.WARNING, "", 0, message, arguments, None)
    record.__dict__.update(others)
    return record


@pytest.mark.proves("S28")
def test_json_line_of_a_call_has_published_fields() -> None:
    """The line of a call has exactly the published fields."""
    stream = io.StringIO()
    with started("info", LogFormat.JSON, stream):
        log_call(CALL)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "rooms_gateway.calls",
        "request_id": "id",
        "method": "/acs.rooms.v1.RoomsService/GetRoom",
        "code": "NOT_FOUND",
        "reason": "ERROR_REASON_ROOM_NOT_FOUND",
        "attempts": 2,
        "upstream_id": "cv.0",
        "duration_ms": 12.346,
        "peer": "unix",
        "caller": "billing",
        "trace_id": "4bf9",
    }


@pytest.mark.parametrize("log_format", LogFormat)
def test_lines_name_the_resource_of_their_task(log_format: LogFormat) -> None:
    """Lines of calls name that of the call, whichever task writes them; without a name, none."""
    stream = io.StringIO()

    def write(name: str) -> None:
        logs.resource.set(name)
        logging.getLogger("rooms_gateway").warning("throttled")
        log_call(replace(CALL, resource="us"))
        log_call(CALL)
        logs.flush()

    with started("info", log_format, stream):
        copy_context().run(write, "eu")
        copy_context().run(write, "")
    lines = stream.getvalue().splitlines()
    if log_format is LogFormat.JSON:
        names = [json.loads(line).get("resource") for line in lines]
    else:
        found = (re.search(r" resource=(\w+)$", line) for line in lines)
        names = [None if match is None else match[1] for match in found]
    assert names == ["eu", "us", None, None, "us", None]


def test_console_line_of_a_call_has_all_fields() -> None:
    stream = io.StringIO()
    with started("info", LogFormat.CONSOLE, stream):
        log_call(CALL)
    assert stream.getvalue().endswith(
        " INFO rooms_gateway.calls method=/acs.rooms.v1.RoomsService/GetRoom code=NOT_FOUND "
        "reason=ERROR_REASON_ROOM_NOT_FOUND ms=12.3 attempts=2 request_id=id upstream_id=cv.0 "
        "peer=unix caller=billing trace_id=4bf9\n"
    )


@pytest.mark.parametrize(
    ("stream", "is_json"), [(io.StringIO(), True), (Terminal(), False)], ids=["file", "terminal"]
)
def test_default_log_format_depends_on_terminal(stream: io.StringIO, *, is_json: bool) -> None:
    """Logs are text on a terminal and JSON elsewhere."""
    with started("info", None, stream):
        log_call(CALL)
    assert stream.getvalue().startswith("{") is is_json


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("debug", 1), ("warning", 0)])
def test_calls_are_logged_at_info(level: str, lines: int) -> None:
    stream = io.StringIO()
    with started(level, LogFormat.JSON, stream):
        if logs.calls.isEnabledFor(logging.INFO):
            log_call(CALL)
    assert stream.getvalue().count("\n") == lines


async def test_lines_of_calls_are_written_in_batches() -> None:
    stream = Written()
    with started("info", LogFormat.JSON, stream):
        for number in range(3):
            log_call(replace(CALL, attempts=number))
        assert stream.writes == []
        await until(lambda: bool(stream.writes))
    [lines] = [written for written in stream.writes if written]
    assert [json.loads(line)["attempts"] for line in lines.splitlines()] == [0, 1, 2]


async def test_batching_keeps_the_order_of_lines() -> None:
    stream = io.StringIO()
    with started("info", LogFormat.JSON, stream):
        log_call(CALL)
        logging.getLogger("other").warning("between")
        log_call(CALL)
        logging.getLogger().handlers[0].flush()
    loggers = [json.loads(line)["logger"] for line in stream.getvalue().splitlines()]
    assert loggers == ["rooms_gateway.calls", "other", "rooms_gateway.calls"]


async def test_shutdown_flushes_buffered_lines() -> None:
    stream = io.StringIO()
    with started("info", LogFormat.JSON, stream):
        log_call(CALL)
        logging.shutdown([weakref.ref(logging.getLogger().handlers[0])])
    assert stream.getvalue().count("\n") == 1


async def test_log_write_error_does_not_fail_calls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    with started("info", LogFormat.JSON, stream):
        stream.close()
        log_call(CALL)
        logging.getLogger("other").warning("continues")
    assert "Logging error" in capsys.readouterr().err


def test_other_handlers_receive_call_records(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "rooms_gateway.calls"):
        log_call(CALL)
    [record] = caplog.records
    assert record.msg is CALL


def test_extra_attributes_are_not_logged() -> None:
    line = JsonFormatter().format(record_of("text %s", "a", secret="canary", request_id="canary"))
    assert json.loads(line).keys() == {"time", "level", "logger", "message"}
    assert "canary" not in line


@pytest.mark.proves("S59")
@given(st.text(st.characters()))
def test_json_log_line_is_one_line_of_ascii(text: str) -> None:
    line = JsonFormatter().format(record_of("%s", text))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text


@pytest.mark.proves("S59")
@given(st.text(st.characters()))
def test_console_log_line_is_printable(text: str) -> None:
    assert ConsoleFormatter().format(record_of("%s", text)).isprintable()


def test_traceback_is_a_json_field_or_plain_lines() -> None:
    """On a console, control characters are escaped."""
    try:
        raise ValueError("a\x1b[31mb")
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    record = record_of("failed", exc_info=trace)
    assert "ValueError: a\x1b[31mb" in json.loads(JsonFormatter().format(record))["trace"]
    shown = ConsoleFormatter().format(record_of("failed", exc_info=trace))
    assert shown.endswith("ValueError: a\\x1b[31mb")
    assert "\nTraceback" in shown


@pytest.mark.parametrize(
    ("peer", "kind"),
    [
        ("unix:", "unix"),
        ("unix:/run/socket", "unix"),
        ("ipv4:192.0.2.1:1234", "tcp"),
        ("ipv6:%5B::1%5D:1234", "tcp"),
        ("canary:1", "other"),
        ("", "other"),
    ],
)
def test_only_the_kind_of_a_peer_is_logged(peer: str, kind: str) -> None:
    assert peer_kind(peer) == kind


def test_request_at_debug_level_is_redacted() -> None:
    stream = io.StringIO()
    participant = Participant(raw_id="canary")
    with started("debug", LogFormat.JSON, stream):
        logs.log_request("id", UpsertParticipantsRequest(room_id="99", participants=[participant]))
    assert json.loads(stream.getvalue())["message"] == (
        'request_id=id acs.rooms.v1.UpsertParticipantsRequest room_id: "99" '
        'participants { raw_id: "[REDACTED]" }'
    )


def test_request_is_not_logged_at_info() -> None:
    stream = io.StringIO()
    with started("info", LogFormat.JSON, stream):
        logs.log_request("id", UpsertParticipantsRequest(room_id="99"))
    assert stream.getvalue() == ""
