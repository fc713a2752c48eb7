"""Files of JSON lines that a command appends to, and that a later run continues."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

Line = Mapping[str, Any]

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class LineFile:
    """A file of JSON lines with a header, locked against other processes.

    Only its owner can read a new file, since rosters are personal data.
    """

    def __init__(self, path: Path, format_name: str) -> None:
        """Open or create the file. Raises ValueError, with a text for the user, if it cannot."""
        self.path = path
        self._format = format_name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
        self._file = os.fdopen(descriptor, "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ValueError(f"{path} is in use by another process") from None

    def read(self) -> Iterator[tuple[int, Line]]:
        """Yield each line with the offset of its end, first the header; nothing if it is new.

        An incomplete last line, which a killed process leaves, is left out. Raises ValueError if
        the file is not of this format.
        """
        self._file.seek(0)
        start = f'{{"format":"{self._format}"'.encode()
        head = self._file.read(len(start))
        if not start.startswith(head):
            raise ValueError(f"{self.path} has other content: pass a file that does not exist")
        self._file.seek(0)
        end = 0
        for number, text in enumerate(self._file, start=1):
            end += len(text)
            if text.endswith(b"\n"):
                yield end, parse_line(text, number)

    def cut(self, size: int) -> None:
        """Remove what follows the first `size` bytes; lines are appended there."""
        self._file.seek(size)
        self._file.truncate()

    def start(self, header: Line) -> None:
        """Replace the content by a header."""
        self.cut(0)
        self.append([{"format": self._format, **header}])

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines, which are in the file when this returns.

        Raises click.FileError if they cannot be written.
        """
        try:
            self._file.write(b"".join(map(line_bytes, lines)))
            self._file.flush()
        except OSError as error:
            raise click.FileError(str(self.path), error.strerror) from None

    def close(self) -> None:
        """Close the file, which unlocks it."""
        # What cannot be written was reported already.
        with suppress(OSError):
            self._file.close()


def line_bytes(line: Line) -> bytes:
    """Return an object as one line."""
    return msgspec.json.encode(line) + b"\n"


def parse_line(text: bytes, number: int) -> Line:
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
            yield number, parse_line(text, number)
        except ValueError as error:
            yield number, error
