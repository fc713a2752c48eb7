"""Export of rooms with their rosters, as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import click
import grpc
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import ListRoomsResponse, Room, RoomFilter
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from rooms_gateway.cli.client.failures import read_item_error
from rooms_gateway.cli.client.stub import Client
from rooms_gateway.cli.client.text import printable
from rooms_gateway.cli.client.transfer.calls import show_progress, with_retries
from rooms_gateway.cli.client.transfer.line_files import Line, LineFile, line_bytes

FORMAT = "rooms-gateway-export/1"


@dataclass(slots=True)
class Progress:
    """How far an export has come."""

    token: str = ""
    """Page token of the next message."""
    exported: int = 0
    failed: int = 0
    """Rooms with a roster that could not be read."""
    complete: bool = False


class Output(Protocol):
    """Where an export is written."""

    progress: Progress

    def write(self, lines: list[Line]) -> None:
        """Write the lines of one message; `progress` is that after it."""


@dataclass(slots=True)
class StandardOutput:
    """An export to standard output: the lines of rooms only."""

    progress: Progress = field(default_factory=Progress)

    def write(self, lines: list[Line]) -> None:
        """Write the lines of one message."""
        sys.stdout.buffer.write(b"".join(map(line_bytes, lines)))
        sys.stdout.buffer.flush()


class ExportFile:
    """An export to a file, which a later run continues.

    A line with the page token follows the rooms of each message. What follows the last such line
    was not written completely: it is removed, and read again.
    """

    def __init__(self, path: Path, room_filter: RoomFilter) -> None:
        """Open the file. Raises ValueError, with a text for the user, if it is not of this export.

        The filter is that of the first run, because times such as `now` have moved since.
        """
        self.progress = Progress()
        self.room_filter = room_filter
        self._file = LineFile(path, FORMAT)
        try:
            self._resume()
        except ValueError:
            self._file.close()
            raise

    def _resume(self) -> None:
        size = 0
        rooms = 0
        for end, line in self._file.read():
            rooms += "room" in line
            if "format" in line:
                self._use_filter_of(line)
            elif "nextPageToken" not in line and "complete" not in line:
                continue
            size = end
            self.progress = Progress(
                line.get("nextPageToken", ""), rooms, line.get("failed", 0), "complete" in line
            )
        if size:
            self._file.cut(size)
        else:
            self._file.start({"filter": MessageToDict(self.room_filter)})

    def _use_filter_of(self, header: Line) -> None:
        try:
            first = ParseDict(header.get("filter", {}), RoomFilter())
        except (ParseError, AttributeError, TypeError) as error:
            raise ValueError(f"{self._file.path}: malformed filter: {error}") from None
        if _conditions(first) != _conditions(self.room_filter):
            raise ValueError(
                f"{self._file.path} was started with other filters: repeat them, or pass another"
                " file"
            )
        self.room_filter = first

    def write(self, lines: list[Line]) -> None:
        """Write the lines of one message, and where the next run continues."""
        done = self.progress
        failed = {"failed": done.failed} if done.failed else {}
        state: dict[str, Any] = (
            {"complete": True, "rooms": done.exported}
            if done.complete
            else {"nextPageToken": done.token}
        )
        self._file.append([*lines, state | failed])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def export_rooms(client: Client, room_filter: RoomFilter, output: Output) -> None:
    """Export all rooms that a filter selects. Raises grpc.RpcError if a call fails.

    Each message is one call, so that the timeout of a call does not limit the export.
    """
    progress = output.progress
    while not progress.complete:
        pages = with_retries(lambda: [*client.export_page(progress.token, room_filter)])
        page = pages[0] if pages else ListRoomsResponse()
        lines = [*_lines(page, progress)]
        progress.exported += len(lines)
        progress.token = page.next_page_token
        progress.complete = not progress.token
        output.write(lines)
        show_progress(progress.exported, is_last=progress.complete)


def _lines(page: ListRoomsResponse, progress: Progress) -> Iterable[Line]:
    for room, roster in zip(page.rooms, page.rosters, strict=True):
        if not roster.HasField("error"):
            yield room_line(room, roster.participants)
        elif roster.error.code != grpc.StatusCode.NOT_FOUND.value[0]:
            # A room that was not found was deleted while the list was read.
            progress.failed += 1
            reason = read_item_error(roster.error).message
            click.echo(f"{printable(room.id)}: not exported: {printable(reason)}", err=True)


def room_line(room: Room, participants: Iterable[Participant]) -> Line:
    """Return a room with its roster as a line of an export."""
    members = []
    for participant in participants:
        bare = Participant()
        bare.CopyFrom(participant)
        # The raw id contains it.
        bare.ClearField("identifier")
        members.append(MessageToDict(bare))
    return {"room": MessageToDict(room), "participants": members}


def _conditions(room_filter: RoomFilter) -> list[tuple[str, bool]]:
    """Return the names of the conditions, and for dial-out its value."""
    return [
        (descriptor.name, value if isinstance(value, bool) else True)
        for descriptor, value in room_filter.ListFields()
    ]
