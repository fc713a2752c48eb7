"""Files: a bounded reader with permission checks, and values that are reloaded on change."""

from __future__ import annotations

import asyncio
import codecs
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from rooms_gateway import aio

MAX_BYTES = 1 << 20
"""Default limit: four times the size of a bundle with all public CAs."""

POLL_INTERVAL = 5.0
"""Seconds between two reloads of a followed file."""

T = TypeVar("T")


class FileContent(NamedTuple):
    """The content of a file, and the permissions of other users at the time of reading."""

    data: bytes
    readable_by_others: bool
    writable_by_others: bool

    def __repr__(self) -> str:
        return f"FileContent({len(self.data)} bytes)"


def read_content(path: Path, max_bytes: int = MAX_BYTES) -> FileContent:
    """Read a file of at most `max_bytes`.

    Raises ValueError, with one sentence that does not repeat the content.
    """
    try:
        with path.open("rb") as file:
            # Of the open file: the path may lead to another one by now.
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"cannot read {str(path)!r}: not a file name") from None
    if len(data) > max_bytes:
        raise ValueError(f"{path} is too large: the limit is {max_bytes} bytes")
    return FileContent(data, bool(mode & stat.S_IROTH), bool(mode & stat.S_IWOTH))


def read_protected(path: Path, *, secret: bool = False) -> bytes:
    """Read a file that other users cannot write and, if it is `secret`, cannot read.

    Raises ValueError, as `read_content` does.
    """
    content = read_content(path)
    if content.writable_by_others:
        raise ValueError(f"{path} is writable by all users: run chmod o-w on it")
    if secret and content.readable_by_others:
        raise ValueError(
            f"{path} contains secrets and is readable by all users: run chmod o-r on it"
        )
    return content.data


def ascii_text(data: bytes, path: Path) -> str:
    """Decode the content of the file `path`, without a byte order mark of UTF-8.

    Raises ValueError, as `read_content` does.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(
            f"{path} is UTF-16 text: save it as ASCII text, in PowerShell with Out-File "
            "-Encoding ascii"
        )
    if not data.isascii():
        raise ValueError(f"{path} is not ASCII text")
    return data.decode("ascii")


class ErrorReporter:
    """Reports an error that is found again and again only once, until it changes or is resolved."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._current = ""

    def failed(self, error: str) -> None:
        """Report `error` unless it is the current one."""
        if error != self._current:
            self._report(error)
        self._current = error

    def succeeded(self) -> None:
        """Forget the current error: it is reported again if it returns."""
        self._current = ""


class FollowedFile(Generic[T]):
    """A value that is read from one or several files, and reloaded inside of `async with`.

    Changes are detected by comparing values, not modification times: Kubernetes replaces mounted
    files by swapping a symbolic link. A reload that fails keeps the current value.
    """

    def __init__(
        self,
        value: T,
        read: Callable[[], T],
        *,
        apply: Callable[[T], Awaitable[None]],
        report: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Start with `value`, which has been read before.

        `read` runs in a thread, because file systems can hang. `apply` is awaited with each changed
        value before it becomes the current one. Both raise ValueError to keep the current value;
        `report` receives the text of the error once, until it changes.
        """
        self.value = value
        self.reads = 0
        """Number of started reads."""
        self._completed = 0
        self._read = read
        self._apply = apply
        self._errors = ErrorReporter(report)
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._polling: asyncio.Task[None] | None = None

    async def reload(self) -> None:
        """Read the files and apply a changed value.

        Concurrent callers share one read that starts after their call: a read that is already
        running may have seen the files before the change.
        """
        before = self.reads
        async with self._lock:
            if self._completed > before:
                return
            self.reads += 1
            number = self.reads
            try:
                value = await asyncio.to_thread(self._read)
                if value != self.value:
                    await self._apply(value)
                    self.value = value
            except ValueError as error:
                self._errors.failed(str(error))
            else:
                self._errors.succeeded()
            self._completed = number

    async def __aenter__(self) -> Self:
        self._polling = asyncio.create_task(aio.every(POLL_INTERVAL, self.reload, self._sleep))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await aio.cancel_and_wait(self._polling)
