"""Files of results: one JSON line for each, by which a job is resumed."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import click
from acs.rooms.v1.bulk_rooms_pb2 import BulkCreateRoomsResponse, BulkDeleteRoomsResponse
from google.protobuf.json_format import MessageToJson, Parse, ParseError

ResultT = TypeVar("ResultT", BulkCreateRoomsResponse, BulkDeleteRoomsResponse)

_JOB = "jobId"


class OutputError(ValueError):
    """The file cannot take the results; the text names it and the remedy."""


class Results(Generic[ResultT]):
    """Where results go: a file that may have those of an earlier run, or standard output.

    The first line of a file of creates has the job id: `{"jobId": "..."}`.
    """

    def __init__(self, result_type: type[ResultT], file: BinaryIO | None = None) -> None:
        self._result_type: type[ResultT] = result_type
        self._file = file
        self.is_file = file is not None
        """Whether a further run can skip what has succeeded."""
        self.job_id = ""
        """Job id; empty if there is none yet."""
        self.done: set[str] = set()
        """Keys that have a successful result of an earlier run."""

    def begin(self, job_id: str) -> None:
        """Store the job id, before the first item is sent."""
        if job_id and not self.job_id:
            self._append(json.dumps({_JOB: job_id}))
        self.job_id = job_id

    def write(self, result: ResultT) -> None:
        """Write one line."""
        line = MessageToJson(result, indent=None)
        if self._file is None:
            click.echo(line)
        else:
            self._append(line)

    def _append(self, line: str) -> None:
        if self._file is not None:
            # Unbuffered and in one piece, so that a kill loses no result that was received before.
            self._file.write(line.encode() + b"\n")

    def read(self, path: Path) -> None:
        """Read the results of an earlier run; remove a last line that was not written whole.

        Raises OutputError if the file has other lines.
        """
        end = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                whole = line.endswith(b"\n")
                try:
                    self._read_line(line, is_first=number == 1)
                except ValueError:
                    if whole:
                        text = f"{path}:{number} is no result of this command: name another file"
                        raise OutputError(text) from None
                    os.truncate(path, end)
                    return
                if not whole:
                    self._append("")
                end += len(line)

    def _read_line(self, line: bytes, *, is_first: bool) -> None:
        """Read one line. Raises ValueError if it is malformed."""
        if is_first and self._result_type is BulkCreateRoomsResponse:
            header = json.loads(line)
            if not isinstance(header, dict) or not isinstance(header.get(_JOB), str):
                raise ValueError
            self.job_id = header[_JOB]
            return
        try:
            result = Parse(line, self._result_type())
        except ParseError:
            raise ValueError from None
        outcome = result.WhichOneof("outcome")
        if not result.key or outcome is None:
            raise ValueError
        # A dry run is no success.
        if outcome == "response" and not result.response.HasField("rest_request"):
            self.done.add(result.key)


@contextmanager
def open_results(path: Path | None, result_type: type[ResultT]) -> Iterator[Results[ResultT]]:
    """Open the file at `path`, or standard output for None.

    Raises OutputError if the file has other content, is in use, or cannot be written.
    """
    if path is None:
        yield Results(result_type)
        return
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{path} is in use by another command") from None
        results = Results(result_type, file)
        results.read(path)
        yield results
