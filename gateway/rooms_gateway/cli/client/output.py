"""The output of the client: proto JSON for programs, aligned text for users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import click
import grpc
from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

UNSET = "unset"


PageT = TypeVar("PageT", rooms_pb2.ListRoomsResponse, participants_pb2.ListParticipantsResponse)
_Moment = Literal["created_at", "valid_from", "valid_until"]


class Printer:
    """Prints responses on standard output, as JSON with one line per message or as text.

    Hints to the user go to standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def room(
        self,
        response: rooms_pb2.CreateRoomResponse
        | rooms_pb2.GetRoomResponse
        | rooms_pb2.UpdateRoomResponse,
    ) -> None:
        """Print the room of a response, one line per field."""
        if self._as_json:
            return _echo_json(response)
        room = response.room
        fields = [
            ("id", room.id),
            ("created_at", _time(room, "created_at")),
            ("valid_from", _time(room, "valid_from")),
            ("valid_until", _time(room, "valid_until")),
            ("pstn_dial_out_enabled", _dial_out(room)),
        ]
        return click.echo("\n".join(aligned(fields)))

    def done(self, response: Message, sentence: str) -> None:
        """Print the success of a call with an empty response: `sentence`, or the JSON."""
        if self._as_json:
            return _echo_json(response)
        return click.echo(sentence)

    def rooms(self, pages: Iterable[rooms_pb2.ListRoomsResponse]) -> None:
        """Print rooms, each page as it arrives. Raises grpc.RpcError if the call fails."""
        table = Table("ID", "VALID FROM", "VALID UNTIL", "DIAL-OUT", "CREATED AT")
        self._list(pages, table, "rooms", lambda page: map(_room_row, page.rooms))

    def participants(self, pages: Iterable[participants_pb2.ListParticipantsResponse]) -> None:
        """Print a roster, each page as it arrives. Raises grpc.RpcError if the call fails."""
        table = Table("RAW ID", "ROLE")
        self._list(
            pages,
            table,
            "participants",
            lambda page: ((each.raw_id, _role(each)) for each in page.participants),
        )

    def _list(
        self,
        pages: Iterable[PageT],
        table: Table,
        items: str,
        rows: Callable[[PageT], Iterable[Sequence[str]]],
    ) -> None:
        token = ""
        try:
            for page in pages:
                token = page.next_page_token
                if self._as_json:
                    # Empty lists included: a program may index `rooms` of an empty page.
                    _echo_json(page, every_key=True)
                else:
                    for line in table.add(list(rows(page))):
                        click.echo(line)
        except grpc.RpcError:
            self._hint_next_page(token)
            raise
        if not self._as_json and table.is_empty:
            click.echo(f"No {items}.", err=True)
        self._hint_next_page(token)

    def _hint_next_page(self, token: str) -> None:
        if token and not self._as_json:
            click.echo(f"Next page: --page-token {printable(token)}", err=True)


class Table:
    """A table that grows row by row; its columns only widen."""

    def __init__(self, *headings: str) -> None:
        self._headings = headings
        self._widths = [len(heading) for heading in headings]
        self.is_empty = True

    def add(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Yield the lines of `rows`, preceded by the headings if they are the first."""
        if not rows:
            return
        safe = [[printable(cell) for cell in row] for row in rows]
        columns = zip(*safe, strict=True)
        self._widths = [
            max(width, *map(len, column))
            for width, column in zip(self._widths, columns, strict=True)
        ]
        if self.is_empty:
            self.is_empty = False
            yield click.style(self._line(self._headings), bold=True)
        yield from map(self._line, safe)

    def _line(self, cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True))
        return "  ".join(padded).rstrip()


def aligned(fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield one line for each name and value, with the values in one column."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        yield f"{click.style(name.ljust(width), bold=True)}  {printable(value)}"


def printable(text: str) -> str:
    """Escape control characters, so that text of a response cannot control the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _echo_json(message: Message, *, every_key: bool = False) -> None:
    click.echo(MessageToJson(message, indent=None, always_print_fields_with_no_presence=every_key))


def _room_row(room: rooms_pb2.Room) -> Sequence[str]:
    def to_the_second(field: _Moment) -> str:
        return _time(room, field)[:19] + "Z" if room.HasField(field) else UNSET

    return (
        room.id,
        to_the_second("valid_from"),
        to_the_second("valid_until"),
        _dial_out(room),
        to_the_second("created_at"),
    )


def _time(room: rooms_pb2.Room, field: _Moment) -> str:
    if not room.HasField(field):
        return UNSET
    stamp: Timestamp = getattr(room, field)
    whole, _, fraction = stamp.ToJsonString().removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def _dial_out(room: rooms_pb2.Room) -> str:
    if not room.HasField("pstn_dial_out_enabled"):
        return UNSET
    return str(room.pstn_dial_out_enabled).lower()


def _role(participant: participants_pb2.Participant) -> str:
    if participant.role == participants_pb2.PARTICIPANT_ROLE_UNSPECIFIED:
        return participant.unrecognized_role or UNSET
    try:
        name = participants_pb2.ParticipantRole.Name(participant.role)
    except ValueError:
        return str(participant.role)
    return name.removeprefix("PARTICIPANT_ROLE_").lower()
