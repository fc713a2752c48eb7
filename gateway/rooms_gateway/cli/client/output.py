"""The output of the client: proto JSON for programs, aligned text for users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import click
import grpc
from acs.identity.v1 import users_pb2
from acs.rooms.debug.v1 import dry_run_pb2
from acs.rooms.v1 import (
    access_tokens_pb2,
    join_pb2,
    participants_pb2,
    rooms_pb2,
)
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from rooms_gateway.cli.client.failures import read_item_error
from rooms_gateway.cli.client.obstacles import explanation
from rooms_gateway.cli.client.text import UNSET, Table, aligned, enum_name, printable, utc

PageT = TypeVar("PageT", rooms_pb2.ListRoomsResponse, participants_pb2.ListParticipantsResponse)
_Moment = Literal["created_at", "valid_from", "valid_until"]
_Fields = Sequence[tuple[str, str]]


class Printer:
    """Prints responses on standard output, as JSON with one line per message or as text.

    A dry run is printed as the REST request. Hints to the user go to standard error. `silent`
    prints neither.
    """

    def __init__(self, *, as_json: bool, silent: bool = False) -> None:
        self._as_json = as_json
        self._silent = silent
        self._is_first = True

    @property
    def shows_hints(self) -> bool:
        """Whether there are hints to the user."""
        return not self._as_json and not self._silent

    def room(
        self,
        response: rooms_pb2.CreateRoomResponse
        | rooms_pb2.GetRoomResponse
        | rooms_pb2.UpdateRoomResponse,
        participants: Iterable[participants_pb2.Participant] | None = None,
    ) -> None:
        """Print the room of a response, one line per field, and `participants` if not None."""
        lines = [*aligned(_room_fields(response.room))]
        if participants is not None:
            rows = [*Table("RAW ID", "ROLE").add([*map(_participant_row, participants)])]
            lines += ["", *(rows or ["No participants."])]
        self._print(response, lines)

    def done(self, response: Message, sentence: str) -> None:
        """Print the success of a call with an empty response: `sentence`, or the JSON."""
        self._print(response, [printable(sentence)])

    def roster_changes(self, response: participants_pb2.SyncParticipantsResponse) -> None:
        """Print the changes of a roster, one line each, and its fingerprint."""
        changes = (
            ("added", response.added),
            ("changed", response.changed),
            ("removed", response.removed),
        )
        rows = [(name, *_participant_row(each)) for name, items in changes for each in items]
        plan = [*Table("CHANGE", "RAW ID", "ROLE").add(rows)]
        if response.fingerprint:
            plan = [*(plan or ["No changes."]), "", f"Fingerprint: {response.fingerprint}"]
        self._print(response, plan, plan=plan)

    def user(self, response: users_pb2.CreateUserResponse) -> None:
        """Print a user that was created, with the access token if there is one."""
        fields = [("raw_id", response.user.raw_id)]
        if response.HasField("access_token"):
            fields += _token_fields(response.access_token)
        self._print(response, [*aligned(fields)])
        if response.possible_orphan:
            self.hint("The response to an earlier attempt was lost: another user may exist.")

    def access_token(
        self, response: users_pb2.IssueTokenResponse | users_pb2.ExchangeTeamsUserTokenResponse
    ) -> None:
        """Print an access token and its expiry."""
        self._print(response, [*aligned(_token_fields(response.access_token))])

    def admission(
        self, response: join_pb2.AdmitParticipantsResponse | join_pb2.CreateRoomWithGuestsResponse
    ) -> None:
        """Print room and guests of a response, one line per field, with empty lines in between."""
        lines: list[str] = []
        if isinstance(response, join_pb2.CreateRoomWithGuestsResponse):
            lines = ["", *aligned(_room_fields(response.room))]
        for guest in response.results:
            lines += ["", *aligned([*_guest_fields(guest)])]
        self._print(response, lines[1:])
        if response.tokens_expire_before_open:
            self.hint(
                "An access token expires before the window begins: issue another one later with"
                " `rooms-gateway users token`."
            )
        if any(guest.HasField("error") for guest in response.results):
            self.hint(
                "Repeat the guests with an error, by raw id if there is one: `new` creates another"
                " user."
            )

    def explanation(
        self, response: join_pb2.ExplainJoinResponse, room_id: str, raw_id: str
    ) -> None:
        """Print the obstacles to a join, one line each."""
        self._print(response, [*explanation(response, room_id, raw_id)])

    def rooms(
        self, pages: Iterable[rooms_pb2.ListRoomsResponse], *, include_participants: bool
    ) -> None:
        """Print rooms, each page as it arrives. Raises grpc.RpcError if the call fails."""
        headings = ("ID", "VALID FROM", "VALID UNTIL", "DIAL-OUT", "CREATED AT")
        if include_participants:
            self._list(pages, Table(*headings, "PARTICIPANT", "ROLE"), "rooms", _roster_rows)
        else:
            table = Table(*headings)
            self._list(pages, table, "rooms", lambda page: map(_room_row, page.rooms))

    def participants(self, pages: Iterable[participants_pb2.ListParticipantsResponse]) -> None:
        """Print a roster, each page as it arrives. Raises grpc.RpcError if the call fails."""
        table = Table("RAW ID", "ROLE")
        self._list(
            pages, table, "participants", lambda page: map(_participant_row, page.participants)
        )

    def _print(self, response: Message, lines: Sequence[str], *, plan: Sequence[str] = ()) -> None:
        """Print `lines`, or `plan` and the REST request of a dry run."""
        if self._silent:
            return
        if self._as_json:
            _echo_json(response)
            return
        shown = lines
        if request := _rest_request(response):
            shown = [*plan, "", *request] if plan else request
        if len(shown) > 1 and not self._is_first:
            click.echo()
        self._is_first = False
        click.echo("\n".join(shown))

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
        if table.is_empty:
            self.hint(f"No {items}.")
        self._hint_next_page(token)

    def _hint_next_page(self, token: str) -> None:
        if token:
            self.hint(f"Next page: --page-token {printable(token)}")

    def hint(self, sentence: str) -> None:
        """Print a sentence for the user on standard error."""
        if self.shows_hints:
            click.echo(sentence, err=True)


def _echo_json(message: Message, *, every_key: bool = False) -> None:
    click.echo(MessageToJson(message, indent=None, always_print_fields_with_no_presence=every_key))


def _rest_request(response: Message) -> Sequence[str]:
    """Return the REST request of a dry run as lines; none for any other response."""
    fields = (value for _, value in response.ListFields())
    request = next((each for each in fields if isinstance(each, dry_run_pb2.RestRequest)), None)
    if request is None:
        return ()
    headers = [f"{name}: {value}" for name, value in sorted(request.headers.items())]
    body = ["", request.body] if request.body else []
    applied = ", ".join(request.applied_settings)
    note = ["", f"Completed by the settings of the gateway: {applied}"] if applied else []
    return [*map(printable, [f"{request.http_method} {request.target}", *headers, *body, *note])]


def _room_fields(room: rooms_pb2.Room) -> _Fields:
    return [
        ("id", room.id),
        ("created_at", _time(room, "created_at")),
        ("valid_from", _time(room, "valid_from")),
        ("valid_until", _time(room, "valid_until")),
        ("pstn_dial_out_enabled", _dial_out(room)),
    ]


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


def _roster_rows(page: rooms_pb2.ListRoomsResponse) -> Iterator[Sequence[str]]:
    """Yield a row for each participant; the first one is in that of the room."""
    for room, roster in zip(page.rooms, page.rosters, strict=True):
        cells = _room_row(room)
        rows = [*map(_participant_row, roster.participants)] or [("", "")]
        if roster.HasField("error"):
            rows = [(f"error: {read_item_error(roster.error).code.name}", "")]
        for participant in rows:
            yield *cells, *participant
            cells = ("",) * len(cells)


def _participant_row(participant: participants_pb2.Participant) -> Sequence[str]:
    return participant.raw_id, _role(participant)


def _token_fields(token: access_tokens_pb2.AccessToken) -> _Fields:
    return [("access_token", token.token), ("expires_at", utc(token.expires_at))]


def _guest_fields(guest: join_pb2.AdmittedGuest) -> Iterator[tuple[str, str]]:
    if guest.label:
        yield "label", guest.label
    if guest.HasField("participant"):
        yield "raw_id", guest.participant.raw_id
        yield "role", _role(guest.participant)
    if guest.HasField("access_token"):
        yield from _token_fields(guest.access_token)
    if guest.HasField("error"):
        yield from read_item_error(guest.error).item_lines()


def _time(room: rooms_pb2.Room, field: _Moment) -> str:
    return utc(getattr(room, field)) if room.HasField(field) else UNSET


def _dial_out(room: rooms_pb2.Room) -> str:
    if not room.HasField("pstn_dial_out_enabled"):
        return UNSET
    return str(room.pstn_dial_out_enabled).lower()


def _role(participant: participants_pb2.Participant) -> str:
    if participant.role == participants_pb2.PARTICIPANT_ROLE_UNSPECIFIED:
        return participant.unrecognized_role or UNSET
    return enum_name(participants_pb2.ParticipantRole.DESCRIPTOR, participant.role).lower()
