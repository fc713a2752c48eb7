"""Files of JSON lines that a command appends to, and that a later run continues."""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

Line = Mapping[str, Any]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _always(_: Line) -> bool:
    return True


class LineFile:
    """Lines of one format: in a file that a later run continues, or on standard output.

    A file begins with a header. Standard output has none, since nothing continues it.
    """

    def __init__(
        self, path: Path | None, format_name: str, file: BinaryIO | None, *, read_only: bool
    ) -> None:
        """Use `file`, which `open` has opened; without one, there are no lines yet."""
        self._path = path
        self._format = format_name
        self._file = file
        self._output = None if read_only else file
        self._end = 0
        """Bytes after which lines are appended."""
        self.header: Line = {}
        """The first line; empty if there is none yet."""
        if file is not None:
            start = f'{{"format":"{format_name}"'.encode()
            if not start.startswith(file.read(len(start))):
                raise _error(path, " has other content: pass a file that does not exist")
            self.header = next(self._lines(file, _always), {})

    @classmethod
    @contextmanager
    def open(
        cls, path: Path | None, format_name: str, *, read_only: bool = False
    ) -> Iterator[LineFile]:
        """Open or create the file of `--output`, locked against other processes.

        Only its owner can read a new file, since rosters are personal data. Lines are written to
        standard output if `path` is None, and with `read_only`, which leaves the file as it is.
        Raises click.UsageError if the file cannot be opened or has other content.
        """
        if path is None or (read_only and not path.exists()):
            yield cls(None, format_name, None, read_only=read_only)
            return
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        except OSError as error:
            raise _error(path, f": {error.strerror}") from None
        try:
            _lock(path, file)
            yield cls(path, format_name, file, read_only=read_only)
        finally:
            # What cannot be written was reported already.
            with suppress(OSError):
                file.close()

    @property
    def is_file(self) -> bool:
        """Whether lines are written to a file."""
        return self._output is not None

    def read(self, ends: Callable[[Line], bool] = _always) -> Iterator[Line]:
        """Yield the lines after the header; `begin` removes those after the last with `ends`.

        Raises click.UsageError if a line is malformed.
        """
        if self._file is not None:
            yield from islice(self._lines(self._file, ends), 1, None)

    def _lines(self, file: BinaryIO, ends: Callable[[Line], bool]) -> Iterator[Line]:
        """Yield the complete lines: a killed process may leave a torn one at the end."""
        file.seek(0)
        end = 0
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n"):
                return
            try:
                line = _parse(text, number)
            except ValueError as error:
                raise _error(self._path, f": {error}") from None
            end += len(text)
            if number == 1 or ends(line):
                self._end = end
            yield line

    def job_id(self, *sources: tuple[str, str]) -> str:
        """Return the job id of the header or of `sources`, pairs of a name and its id or nothing.

        It is a new one if there is none. Raises click.UsageError if two differ.
        """
        own = str(self.header.get("jobId")) if self.header else ""
        if own and not _is_uuid(own):
            raise _error(self._path, " has no valid job id: pass a file that does not exist")
        given = [(name, text) for name, text in (*sources, (str(self._path), own)) if text]
        for (name, text), (other, wrong) in pairwise(given):
            if text != wrong:
                raise click.UsageError(
                    f"the job id of {name} is {text}, and that of {other} is {wrong}"
                )
        return given[0][1] if given else str(uuid.uuid4())

    def begin(self, header: Line) -> None:
        """Prepare to append: to the lines that were read, or to a header."""
        if self._output is not None:
            self._output.seek(self._end)
            self._output.truncate()
            if not self.header:
                self.append({"format": self._format, **header})

    def append(self, *lines: Line) -> None:
        """Write lines, which are in the file when this returns.

        Raises click.FileError if they cannot be written.
        """
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        if self._output is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        try:
            self._output.write(data)
            self._output.flush()
        except OSError as error:
            raise click.FileError(str(self._path), error.strerror) from None


def _error(path: Path | None, text: str) -> click.UsageError:
    return click.UsageError(f"--output: {path}{text}")


def _lock(path: Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise _error(path, " is in use by another process") from None


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _parse(text: bytes, number: int) -> Line:
    """Return the object in a line. Raises ValueError, with the number of the line."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"line {number} is not a JSON object") from None


def read_stream(stream: BinaryIO) -> Iterator[tuple[int, Line | ValueError]]:
    """Yield the number and the object of each line, or the error if it has none.

    An incomplete last line is left out.
    """
    for number, text in enumerate(stream, start=1):
        if not text.endswith(b"\n"):
            return
        try:
            yield number, _parse(text, number)
        except ValueError as error:
            yield number, error
