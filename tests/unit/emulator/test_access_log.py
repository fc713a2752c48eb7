"""Lines of the access log, and their writer."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator.output.access_log import Access, shown_target
from rooms_emulator.output.line_writer import LineWriter

KEY = base64.b64encode(b"canary-canary-canary").decode()
TOKEN = "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOjF9.canary"

TARGETS = {
    "/rooms?api-version=2025-03-13": "/rooms?api-version=2025-03-13",
    "/rooms": "/rooms",
    "/rooms?": "/rooms?",
    "/rooms?nextLink=abc&api-version=1": "/rooms?nextLink=…&api-version=1",
    f"/rooms?code={KEY}&{KEY}": "/rooms?…&…",
    f"/;accesskey={KEY}/rooms?api-version=1": "/;accesskey=REDACTED?api-version=1",
    f"/;AccessKey%3D{KEY}": "/;AccessKey%3DREDACTED",
    f"/rooms/{TOKEN}": "/rooms/REDACTED",
    f"/rooms?api-version={TOKEN}": "/rooms?api-version=REDACTED",
    "/" + "x" * 300: "/" + "x" * 199 + "…",
    "/a\nb\x1b[31m": r"/a\nb\x1b[31m",
    "/\udcff": "/\ufffd",
}


@pytest.mark.proves("S70")
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_shown_without_secrets(target: str) -> None:
    assert shown_target(target) == TARGETS[target]


@given(st.text(st.characters(exclude_characters="?")), st.text())
def test_a_line_is_printable_and_short(path: str, query: str) -> None:
    access = Access.of(None, "GET", f"/{path}?api-version={query}", status=200, seconds=0.1)
    line = access.text(color=False)
    assert line.isprintable()
    assert len(line) < 10_000


@pytest.mark.parametrize(("status", "code"), [(200, 32), (404, 33), (503, 31), (None, 31)])
def test_the_color_is_that_of_the_status(status: int | None, code: int) -> None:
    access = Access("now", "GET", "/", status, 1)
    assert access.text(color=True) == f"now \x1b[{code}m{status or '-'}\x1b[0m GET / 1ms"
    assert access.text(color=False) == f"now {status or '-'} GET / 1ms"


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(writer)


def read_all(reader: int, into: list[bytes]) -> threading.Thread:
    def read() -> None:
        while part := os.read(reader, 1 << 16):
            into.append(part)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_lines_beyond_the_limit_are_dropped_and_counted() -> None:
    """While nothing reads, `write` returns at once; all lines are written or counted."""
    parts: list[bytes] = []
    with pipe() as (reader, descriptor):
        lines = LineWriter(descriptor, "{} dropped".format, limit=100)
        for number in range(2000):
            lines.write(f"{number} " + "x" * 1000)
        thread = read_all(reader, parts)
        lines.close()
    thread.join()
    os.close(reader)
    written = b"".join(parts).decode().splitlines()
    notices = [line for line in written if line.endswith(" dropped")]
    numbers = [int(line.partition(" ")[0]) for line in written if line not in notices]
    assert numbers == sorted(numbers)
    assert len(numbers) + sum(int(line.partition(" ")[0]) for line in notices) == 2000
    assert 100 <= len(numbers) < 2000


def test_all_lines_are_written_in_order() -> None:
    parts: list[bytes] = []
    with pipe() as (reader, descriptor):
        thread = read_all(reader, parts)
        lines = LineWriter(descriptor, str)
        for number in range(5000):
            lines.write(str(number))
        lines.close()
    thread.join()
    os.close(reader)
    assert b"".join(parts).decode().splitlines() == list(map(str, range(5000)))


def test_a_closed_reader_ends_nothing() -> None:
    with pipe() as (reader, descriptor):
        os.close(reader)
        lines = LineWriter(descriptor, str, limit=10)
        for _ in range(1000):
            lines.write("line")
        lines.close()


def test_close_gives_up_if_nothing_reads() -> None:
    with pipe() as (reader, descriptor):
        lines = LineWriter(descriptor, str, limit=10)
        for _ in range(100):
            lines.write("x" * (1 << 16))
        lines.close()
        os.close(reader)
