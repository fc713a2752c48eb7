"""Writes lines to a file in a thread, so that no disk and no pipe can block the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

from rooms_gateway.telemetry.observers import NOOP_OBSERVER, AuditObserver

STDOUT = Path("-")

MAX_QUEUED = 4096
"""Lines that wait for the disk; with an identifier in each, some 2 MB."""

STALLED_AFTER = 1.0
"""Seconds after which a write that has not returned counts as failed."""

FLUSH_TIMEOUT = 3.0
"""Maximum time that shutdown waits for the last lines, in seconds."""

WARNING_INTERVAL = 60.0
"""Minimum interval of log lines on lost lines, in seconds."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
"""Reading and writing: a named pipe without a reader does not block the open."""

_MODE = 0o600

logger = logging.getLogger(__name__)


class AuditLogError(Exception):
    """The audit log cannot be opened."""


def check_audit_log(path: Path) -> None:
    """Raise ValueError, with one sentence, if `path` cannot be opened for appending.

    A file that does not exist is not created, because the check may run as another user.
    """
    if path == STDOUT:
        return
    try:
        os.close(os.open(path, _FLAGS & ~os.O_CREAT))
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise ValueError(f"cannot open {path}: there is no directory {folder}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(f"cannot open {path}: the directory is not writable") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot open {path}: {_text(error)}") from None


class _Entry(NamedTuple):
    line: bytes
    """Empty: the last entry."""
    written: asyncio.Future[None] | None
    """Resolved when the line is written or lost."""


class AuditWriter:
    """Appends lines to a file, which is reopened when it was moved or removed.

    Started by `async with`, which raises AuditLogError if the file cannot be opened, and flushes
    at its end. A line is one write, so that several processes may append to one file.
    """

    def __init__(
        self,
        path: Path,
        *,
        observer: AuditObserver = NOOP_OBSERVER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` may be STDOUT; `clock` is in seconds."""
        self._path = path
        self._observer = observer
        self._clock = clock
        self._queue: SimpleQueue[_Entry] = SimpleQueue()
        self._file = -1
        self._identity = (0, 0)
        self._torn = False
        """Whether the file ends with a part of a line."""
        self._failing = False
        self._write_started: float | None = None
        self._lost = 0
        self._warned_at = -WARNING_INTERVAL

    @property
    def available(self) -> bool:
        """Whether the last write succeeded, and the current one, if any, is not stalled."""
        started = self._write_started
        stalled = started is not None and self._clock() - started > STALLED_AFTER
        return not self._failing and not stalled

    @property
    def queued(self) -> int:
        """Number of lines that wait to be written."""
        return self._queue.qsize()

    def add(self, line: bytes, written: asyncio.Future[None] | None = None) -> None:
        """Queue a line. `written` is resolved when the line is in the file, or lost."""
        if self.queued >= MAX_QUEUED:
            self.lose(f"{MAX_QUEUED} lines wait to be written")
            if written is not None:
                written.set_result(None)
        else:
            self._queue.put(_Entry(line, written))

    def lose(self, cause: str) -> None:
        """Count a line that is not written."""
        self._failing = True
        self._lost += 1
        self._observer.audit_line_lost()
        if self._clock() - self._warned_at >= WARNING_INTERVAL:
            self._warned_at = self._clock()
            logger.warning(
                "cannot write the audit log %s: %s (%d lines lost so far)",
                self._path,
                cause,
                self._lost,
            )

    async def __aenter__(self) -> Self:
        try:
            self._open()
        except (OSError, ValueError) as error:
            raise AuditLogError(f"--audit-log: cannot open {self._path}: {_text(error)}") from None
        # A daemon thread: the process must end also while a write does not return.
        threading.Thread(
            target=self._run, args=(asyncio.get_running_loop(),), name="audit-log", daemon=True
        ).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ended = asyncio.get_running_loop().create_future()
        self._queue.put(_Entry(b"", ended))
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await ended
        except TimeoutError:
            # The line in the write is not in the queue, but the last entry is.
            if self.queued:
                logger.warning(
                    "cannot write the audit log %s: %d lines were lost at shutdown",
                    self._path,
                    self.queued,
                )

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            line, written = self._queue.get()
            if line:
                self._try_write(line)
            if written is not None:
                # RuntimeError: the loop was closed after FLUSH_TIMEOUT.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_resolve, written)
            if not line:
                break
        if self._path != STDOUT:
            os.close(self._file)

    def _try_write(self, line: bytes) -> None:
        self._write_started = self._clock()
        try:
            self._reopen_if_moved()
            self._write(line)
        except OSError as error:
            self.lose(_text(error))
        else:
            if self._failing:
                self._failing = False
                logger.info("the audit log %s is written again", self._path)
        finally:
            self._write_started = None

    def _write(self, line: bytes) -> None:
        rest = memoryview(b"\n" + line if self._torn else line)
        while rest:
            # Less is written if the disk becomes full.
            rest = rest[os.write(self._file, rest) :]
            self._torn = bool(rest)

    def _reopen_if_moved(self) -> None:
        if self._path == STDOUT:
            return
        try:
            found = self._path.stat()
        except FileNotFoundError:
            pass
        else:
            if (found.st_dev, found.st_ino) == self._identity:
                return
        before = self._file
        self._open()
        os.close(before)

    def _open(self) -> None:
        if self._path == STDOUT:
            self._file = 1
            return
        file = os.open(self._path, _FLAGS, _MODE)
        found = os.fstat(file)
        # A killed process, or a full disk, may have left a part of a line.
        self._torn = (
            stat.S_ISREG(found.st_mode)
            and found.st_size > 0
            and os.pread(file, 1, found.st_size - 1) != b"\n"
        )
        self._file, self._identity = file, (found.st_dev, found.st_ino)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or "not a file name"
