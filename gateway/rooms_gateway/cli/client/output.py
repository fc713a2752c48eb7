"""What the client prints: proto JSON for programs, aligned text for people."""

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
    """Prints answers on standard output: JSON, one line per message, or text.

    What is only a remark to a person goes to standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def room(
        self,
        answer: rooms_pb2.CreateRoomResponse
        | rooms_pb2.GetRoomResponse
        | rooms_pb2.UpdateRoomResponse,
    ) -> None:
        """Print the room of an answer, one field a line."""
        if self._as_json:
            return _echo_json(answer)
        room = answer.room
        fields = [
            ("id", room.id),
            ("created_at", _time(room, "created_at")),
            ("valid_from", _time(room, "valid_from")),
            ("valid_until", _time(room, "valid_until")),
            ("pstn_dial_out_enabled", _dial_out(room)),
        ]
        return click.echo("\n".join(aligned(fields)))

    def done(self, answer: Message, sentence: str) -> None:
        """Print that a call succeeded whose answer is empty."""
        if self._as_json:
            return _echo_json(answer)
        return click.echo(sentence)

    def rooms(self, pages: Iterable[rooms_pb2.ListRoomsResponse]) -> None:
        """Print rooms page by page, as they arrive. Raises grpc.RpcError from `pages`."""
        table = Table("ID", "VALID FROM", "VALID UNTIL", "DIAL-OUT", "CREATED AT")
        self._list(pages, table, "rooms", lambda page: map(_room_row, page.rooms))

    def participants(self, pages: Iterable[participants_pb2.ListParticipantsResponse]) -> None:
        """Print a roster page by page, as it arrives. Raises grpc.RpcError from `pages`."""
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
        table: "Table",
        what: str,
        rows: Callable[[PageT], Iterable[Sequence[str]]],
    ) -> None:
        token = ""
        try:
            for page in pages:
                token = page.next_page_token
                if self._as_json:
                    # So that a program can go through an empty page without asking first.
                    _echo_json(page, every_key=True)
                else:
                    for line in table.add(list(rows(page))):
                        click.echo(line)
        except grpc.RpcError:
            self._remark_more(token)
            raise
        if not self._as_json and table.is_empty:
            click.echo(f"No {what} here.", err=True)
        self._remark_more(token)

    def _remark_more(self, token: str) -> None:
        if token and not self._as_json:
            click.echo(f"More with: --page-token {printable(token)}", err=True)


class Table:
    """A table that arrives in pieces, and whose columns only ever widen."""

    def __init__(self, *headings: str) -> None:
        self._headings = headings
        self._widths = [len(heading) for heading in headings]
        self.is_empty = True

    def add(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Yield the lines for more rows, before the first of them the headings."""
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
    """Yield one line for each name and value, the values under each other."""
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        yield f"{click.style(name.ljust(width), bold=True)}  {printable(value)}"


def printable(text: str) -> str:
    """Spell out control characters: what a service answered must not steer a terminal."""
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
    if participant.role == participants_pb2.ROLE_UNSPECIFIED:
        return participant.unrecognized_role or UNSET
    try:
        name = participants_pb2.Role.Name(participant.role)
    except ValueError:
        return str(participant.role)
    return name.removeprefix("ROLE_").lower()
