"""Files of items, as JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from acs.rooms.v1.bulk_rooms_pb2 import (
    BulkCreateRoomsRequest,
    BulkDeleteRoomsRequest,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest
from google.protobuf.json_format import Parse, ParseError

from rooms_gateway.cli.client import messages
from rooms_gateway.cli.client.inputs import parse_instant, parse_participant
from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.server.calls.validation import validate

STDIN = "-"

ItemT = TypeVar("ItemT", BulkCreateRoomsRequest, BulkDeleteRoomsRequest)

_BOOLEANS = {"": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ItemKind(Generic[ItemT]):
    """The items of one RPC."""

    rpc: str
    results: str
    """Format of files of results."""
    item_type: type[ItemT]
    columns: tuple[str, ...]
    """Columns of a CSV file."""
    required: str
    """The column that every CSV file has."""
    from_row: Callable[[Mapping[str, str], float], ItemT]
    """Converts a row, at a current time in seconds since 1970; raises ValueError."""


class InputError(ValueError):
    """A line of a file is malformed; the text names file and line."""


@dataclass(frozen=True, slots=True)
class ItemFile(Generic[ItemT]):
    """The items of a file, or of standard input for "-"; each is parsed when it is read."""

    file: str
    as_csv: bool
    kind: ItemKind[ItemT]
    now: float
    """Start of relative times, in seconds since 1970."""

    @property
    def name(self) -> str:
        """Name in messages."""
        return "standard input" if self.file == STDIN else self.file

    def __iter__(self) -> Iterator[ItemT]:
        """Yield the items. Raises InputError if a line is malformed or repeats a key."""
        lines: dict[str, int] = {}
        job_id = None
        with self._opened() as stream:
            number = 0
            try:
                for number, item in self._parsed(stream):
                    validate(item)
                    key = key_of(item)
                    if key in lines:
                        raise ValueError(f"key {key!r} is also on line {lines[key]}")
                    lines[key] = number
                    if isinstance(item, BulkCreateRoomsRequest) and item.job_id:
                        job_id = job_id or item.job_id
                        if item.job_id != job_id:
                            raise ValueError("job_id is not that of the lines before")
                    yield item
            except _LineError as error:
                raise InputError(f"{self.name}:{error.number}: {error}") from None
            except (ValueError, InvalidRequestError) as error:
                raise InputError(f"{self.name}:{number}: {error}") from None

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        if self.file == STDIN:
            # Not through the buffer of sys.stdin: Python would abort at exit if the thread in which
            # grpc iterates still waits for input.
            raw: Any = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
            yield io.BufferedReader(raw)
            return
        try:
            with Path(self.file).open("rb") as stream:
                yield stream
        except OSError as error:
            raise InputError(f"cannot read {self.file}: {error.strerror}") from None

    def _parsed(self, stream: BinaryIO) -> Iterator[tuple[int, ItemT]]:
        return self._rows(stream) if self.as_csv else self._json_lines(stream)

    def _json_lines(self, stream: BinaryIO) -> Iterator[tuple[int, ItemT]]:
        for number, line in _numbered(stream):
            if not line.strip():
                continue
            try:
                item = Parse(line, self.kind.item_type())
            except ParseError as error:
                raise _LineError(number, str(error).splitlines()[0]) from None
            yield number, item

    def _rows(self, stream: BinaryIO) -> Iterator[tuple[int, ItemT]]:
        reader = csv.DictReader(line for _, line in _numbered(stream))
        columns = reader.fieldnames or ()
        unknown = [column for column in columns if column not in self.kind.columns]
        if unknown or self.kind.required not in columns:
            expected = ", ".join(self.kind.columns)
            found = f"; {unknown[0]!r} is none of them" if unknown else ""
            raise _LineError(1, f"the first line must name columns of {expected}{found}")
        for row in reader:
            number = reader.line_num
            if None in row or None in row.values():
                raise _LineError(number, f"the row must have {len(columns)} cells")
            try:
                item = self.kind.from_row(row, self.now)
            except ValueError as error:
                raise _LineError(number, str(error)) from None
            yield number, item


class _LineError(ValueError):
    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def _numbered(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, start=1):
        try:
            # Spreadsheets begin a file with a byte order mark.
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _LineError(number, "not UTF-8 text: save the file as UTF-8") from None


def key_of(item: BulkCreateRoomsRequest | BulkDeleteRoomsRequest) -> str:
    """Return the key that the result of `item` has."""
    if isinstance(item, BulkDeleteRoomsRequest):
        return item.key or item.request.room_id
    return item.key


def _create(row: Mapping[str, str], now: float) -> BulkCreateRoomsRequest:
    def instant(column: str) -> object:
        text = row.get(column, "").strip()
        with _naming(column):
            return messages.timestamp(parse_instant(text, now)) if text else None

    with _naming("participants"):
        participants = [
            parse_participant(text.strip())
            for text in row.get("participants", "").split(";")
            if text.strip()
        ]
    return BulkCreateRoomsRequest(
        key=row["key"],
        request=CreateRoomRequest(
            valid_from=instant("valid_from"),  # type: ignore[arg-type] # a Timestamp or None
            valid_until=instant("valid_until"),  # type: ignore[arg-type] # as above
            pstn_dial_out_enabled=_boolean(row, "pstn_dial_out_enabled"),
            participants=messages.roster(participants),
        ),
    )


def _delete(row: Mapping[str, str], _: float) -> BulkDeleteRoomsRequest:
    return BulkDeleteRoomsRequest(
        key=row.get("key", ""),
        request=DeleteRoomRequest(
            room_id=row["room_id"], allow_missing=_boolean(row, "allow_missing") or False
        ),
    )


def _boolean(row: Mapping[str, str], column: str) -> bool | None:
    text = row.get(column, "").strip().lower()
    if text not in _BOOLEANS:
        raise ValueError(f"{column}: {text!r} is neither true nor false")
    return _BOOLEANS[text]


@contextmanager
def _naming(column: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


CREATES = ItemKind(
    "BulkCreateRooms",
    "rooms-gateway-bulk-create/1",
    BulkCreateRoomsRequest,
    ("key", "valid_from", "valid_until", "pstn_dial_out_enabled", "participants"),
    "key",
    _create,
)
DELETES = ItemKind(
    "BulkDeleteRooms",
    "rooms-gateway-bulk-delete/1",
    BulkDeleteRoomsRequest,
    ("key", "room_id", "allow_missing"),
    "room_id",
    _delete,
)
