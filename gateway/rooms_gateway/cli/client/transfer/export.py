"""Export of rooms with their rosters, as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
import grpc
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import ListRoomsResponse, Room, RoomFilter
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from rooms_gateway.cli.client.failures import read_item_error
from rooms_gateway.cli.client.line_files import Line, LineFile
from rooms_gateway.cli.client.progress import Progress
from rooms_gateway.cli.client.stub import Client
from rooms_gateway.cli.client.text import printable
from rooms_gateway.cli.client.transfer.calls import with_retries

FORMAT = "rooms-gateway-export/1"


class Export:
    """An export of all rooms that a filter selects.

    In a file, a line with the page token follows the rooms of each message. What follows the last
    such line was not written completely: it is removed, and read again.
    """

    def __init__(self, file: LineFile, room_filter: RoomFilter) -> None:
        """Continue `file`. Raises click.UsageError if it is of another export.

        The filter is that of the first run, because times such as `now` have moved since.
        """
        self._file = file
        self._filter = _first_filter(file.header, room_filter) if file.header else room_filter
        self._token = ""
        """Page token of the next message."""
        self.exported = 0
        self.failed = 0
        """Rooms with a roster that could not be read."""
        self.complete = False
        rooms = 0
        for line in file.read(_is_state):
            rooms += "room" in line
            if _is_state(line):
                self._token, self.exported = line.get("nextPageToken", ""), rooms
                self.failed, self.complete = line.get("failed", 0), "complete" in line
        file.begin({"filter": MessageToDict(self._filter)})

    def run(self, client: Client, progress: Progress) -> None:
        """Export the rooms that are left. Raises grpc.RpcError if a call fails.

        Each message is one call, so that the timeout of a call does not limit the export.
        """
        while not self.complete:
            pages = with_retries(lambda: [*client.export_page(self._token, self._filter)])
            page = pages[0] if pages else ListRoomsResponse()
            lines = [*self._lines(page, progress)]
            self.exported += len(lines)
            self._token = page.next_page_token
            self.complete = not self._token
            self._file.append(*lines, *([self._state()] if self._file.is_file else []))
            progress.show(self.exported, self.failed)

    def _lines(self, page: ListRoomsResponse, progress: Progress) -> Iterator[Line]:
        for room, roster in zip(page.rooms, page.rosters, strict=True):
            if not roster.HasField("error"):
                yield room_line(room, roster.participants)
            elif roster.error.code != grpc.StatusCode.NOT_FOUND.value[0]:
                # A room that was not found was deleted while the list was read.
                self.failed += 1
                reason = read_item_error(roster.error).message
                progress.report(f"{printable(room.id)}: not exported: {printable(reason)}")

    def _state(self) -> Line:
        failed = {"failed": self.failed} if self.failed else {}
        if self.complete:
            return {"complete": True, "rooms": self.exported, **failed}
        return {"nextPageToken": self._token, **failed}


def _is_state(line: Line) -> bool:
    return "nextPageToken" in line or "complete" in line


def _first_filter(header: Line, room_filter: RoomFilter) -> RoomFilter:
    """Return the filter of a header. Raises click.UsageError if its conditions are others."""
    try:
        first = ParseDict(header.get("filter", {}), RoomFilter())
    except (ParseError, AttributeError, TypeError) as error:
        raise click.UsageError(f"--output: malformed filter: {error}") from None
    if _conditions(first) != _conditions(room_filter):
        raise click.UsageError(
            "--output: the file was started with other filters: repeat them, or pass another file"
        )
    return first


def room_line(room: Room, participants: Iterable[Participant]) -> Line:
    """Return a room with its roster as a line of an export."""
    members = [MessageToDict(participant) for participant in participants]
    for member in members:
        # The raw id contains it.
        member.pop("identifier", None)
    return {"room": MessageToDict(room), "participants": members}


def _conditions(room_filter: RoomFilter) -> list[tuple[str, bool]]:
    """Return the names of the conditions, and for dial-out its value."""
    return [
        (descriptor.name, value if isinstance(value, bool) else True)
        for descriptor, value in room_filter.ListFields()
    ]
