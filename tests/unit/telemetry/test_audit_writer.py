"""The writer of the audit log: appending, rotation, full and hanging files."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.gateways import until

from rooms_gateway.telemetry.audit import writer as module
from rooms_gateway.telemetry.audit.writer import (
    MAX_QUEUED,
    STALLED_AFTER,
    WARNING_INTERVAL,
    AuditLogError,
    AuditWriter,
    check_audit_log,
)
from rooms_gateway.telemetry.observers import NoopObserver

FULL = Path("/dev/full")
LINE = b'{"a":1}\n'


class Losses(NoopObserver):
    """Counts lost lines."""

    def __init__(self) -> None:
        self.count = 0

    def audit_line_lost(self, *_: object, **__: object) -> None:
        self.count += 1


async def written(writer: AuditWriter, line: bytes = LINE) -> None:
    """Add a line, and wait until it is written or lost."""
    done = asyncio.get_running_loop().create_future()
    writer.add(line, done)
    async with asyncio.timeout(30):
        await done


@asynccontextmanager
async def unread_pipe(path: Path) -> AsyncIterator[Callable[[], bytes]]:
    """Make a named pipe; yield a function that reads all that is in it."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read() -> bytes:
        try:
            return os.read(reader, 1 << 20)
        except BlockingIOError:
            return b""

    try:
        yield read
    finally:
        os.close(reader)


# --- a regular file -------------------------------------------------------------------------------


async def test_lines_are_appended_to_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for number in range(2):
        async with AuditWriter(path) as writer:
            for each in range(3):
                writer.add(b"%d %d\n" % (number, each))
    assert path.read_bytes() == b"0 0\n0 1\n0 2\n1 0\n1 1\n1 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_several_writers_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    lines = [b"%d" % number * 2000 + b"\n" for number in range(3)]
    async with AuditWriter(path) as one, AuditWriter(path) as two, AuditWriter(path) as three:
        for _ in range(200):
            for writer, line in zip((one, two, three), lines, strict=True):
                writer.add(line)
    assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted(lines * 200)


async def test_mode_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.touch(0o640)
    async with AuditWriter(path) as writer:
        await written(writer)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("how", ["moved", "removed", "replaced", "truncated"])
async def test_file_is_reopened_when_it_is_rotated(tmp_path: Path, how: str) -> None:
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    async with AuditWriter(path) as writer:
        await written(writer, b"before\n")
        if how == "truncated":
            os.truncate(path, 0)
        else:
            path.rename(old)
        if how == "removed":
            old.unlink()
        if how == "replaced":
            path.touch()
        await written(writer, b"after\n")
    assert path.read_bytes() == b"after\n"
    assert how in {"removed", "truncated"} or old.read_bytes() == b"before\n"


async def test_line_after_a_torn_one_starts_a_line(tmp_path: Path) -> None:
    """A killed process may leave a part of a line at the end of the file."""
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"a"')
    async with AuditWriter(path) as writer:
        await written(writer)
        await written(writer)
    assert path.read_bytes() == b'{"a"\n' + LINE + LINE


# --- losses ---------------------------------------------------------------------------------------


async def test_full_disk_is_counted_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """At most one warning per WARNING_INTERVAL."""
    now, losses = [0.0], Losses()
    async with AuditWriter(FULL, observer=losses, clock=lambda: now[0]) as writer:
        for now[0] in (0.0, WARNING_INTERVAL - 1, WARNING_INTERVAL):
            await written(writer)
    assert losses.count == 3
    assert caplog.messages == [
        f"cannot write the audit log /dev/full: No space left on device ({count} lines lost so far)"
        for count in (1, 3)
    ]


async def test_write_that_succeeds_ends_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path, losses = tmp_path / "audit.log", Losses()
    path.symlink_to(FULL)
    async with AuditWriter(path, observer=losses) as writer:
        await written(writer)
        path.unlink()
        await written(writer)
        assert writer.available
    assert losses.count == 1
    assert path.read_bytes() == LINE
    assert caplog.messages[1:] == [f"the audit log {path} is written again"]


async def test_directory_that_is_gone_loses_lines(tmp_path: Path) -> None:
    folder, losses = tmp_path / "log", Losses()
    folder.mkdir()
    async with AuditWriter(folder / "audit.log", observer=losses) as writer:
        folder.rename(tmp_path / "moved")
        await written(writer)
        assert (losses.count, writer.available) == (1, False)
        folder.mkdir()
        await written(writer)
        assert (losses.count, writer.available) == (1, True)
    assert (folder / "audit.log").read_bytes() == LINE


async def test_unread_pipe_fills_the_queue_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fits into pipe and queue is written when the pipe is read, and the rest is counted."""
    monkeypatch.setattr(module, "FLUSH_TIMEOUT", 0.0)
    now, losses = 0.0, Losses()
    async with unread_pipe(tmp_path / "pipe") as read:
        writer = AuditWriter(tmp_path / "pipe", observer=losses, clock=lambda: now)
        async with writer:
            line = b"x" * 1023 + b"\n"
            for _ in range(MAX_QUEUED):
                writer.add(line)
            # A pipe has 64 KiB: the thread waits in the next write.
            await until(lambda: writer.queued <= MAX_QUEUED - 65)
            before, now = writer.available, STALLED_AFTER + 1
            assert (before, writer.available) == (True, False)
            while writer.queued < MAX_QUEUED:
                writer.add(line)
            assert losses.count == 0
            full = asyncio.get_running_loop().create_future()
            writer.add(line, full)
            assert full.done()
            assert losses.count == 1
            text = b""

            def drained() -> bool:
                nonlocal text
                text += read()
                return not writer.queued and len(text) % len(line) == 0

            await until(drained)
            await until(lambda: writer.available)
        text += read()
    assert set(text.splitlines()) == {line.strip()}


async def test_shutdown_does_not_wait_for_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FLUSH_TIMEOUT", 0.01)
    async with unread_pipe(tmp_path / "pipe") as read:
        async with AuditWriter(tmp_path / "pipe") as writer:
            for _ in range(100):
                writer.add(b"x" * 1023 + b"\n")
            await until(lambda: writer.queued <= 35)
        assert caplog.messages == [
            f"cannot write the audit log {tmp_path / 'pipe'}: 36 lines were lost at shutdown"
        ]
        read()


# --- startup --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing/audit.log", "there is no directory {folder}/missing"),
        ("", "Is a directory"),
        ("file/audit.log", "Not a directory"),
        ("socket", "No such device or address"),
        ("\0", "not a file name"),
        ("x" * 300, "File name too long"),
    ],
)
async def test_path_that_cannot_be_opened(tmp_path: Path, path: str, error: str) -> None:
    """The check and the start have the same sentence but for a missing directory."""
    import socket

    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        target = tmp_path / path
        with pytest.raises(ValueError, match="cannot open") as checked:
            check_audit_log(target)
        assert str(checked.value) == f"cannot open {target}: {error.format(folder=tmp_path)}"
        with pytest.raises(AuditLogError, match="--audit-log: cannot open "):
            async with AuditWriter(target):
                pass


def test_check_creates_no_file(tmp_path: Path) -> None:
    check_audit_log(tmp_path / "audit.log")
    assert list(tmp_path.iterdir()) == []


def test_check_accepts_what_can_be_appended_to(tmp_path: Path) -> None:
    """Standard output, a device, a file, and a named pipe without a reader."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(LINE)
    for path in (Path("-"), FULL, tmp_path / "file", tmp_path / "pipe"):
        check_audit_log(path)
    assert (tmp_path / "file").read_bytes() == LINE
