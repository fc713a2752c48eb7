"""The commands `rooms` and `participants`: a small client, for hosts without grpcurl."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import click

from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import INSTANT, PARTICIPANT, Instant, Participant

_EPILOG = (
    "Exit status: 0 for success, 2 for a usage error, 130 for Ctrl-C, and 64 plus the gRPC code for"
    " a failed call, as in grpcurl: 67 INVALID_ARGUMENT, 69 NOT_FOUND, 78 UNAVAILABLE."
)


def room_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags for the fields of a room to a command; without a flag, its value is None."""
    forms = "ISO 8601 (UTC without an offset), now, or an offset from now such as +2h or +1d12h."
    for option in (
        click.option(
            "--pstn-dial-out/--no-pstn-dial-out",
            default=None,
            help="Allow or forbid participants to call phone numbers (PSTN dial-out).",
        ),
        click.option(
            "--valid-until",
            type=INSTANT,
            help="End of the window in which participants can join. Same forms.",
        ),
        click.option(
            "--valid-from",
            type=INSTANT,
            help=f"Start of the window in which participants can join: {forms}",
        ),
    ):
        command = option(command)
    return command


def paging_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of a list to a command."""
    token = click.option(
        "--page-token", default="", help="Resume an earlier list after the page with this token."
    )
    pages = click.option(
        "--max-pages",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="Maximum number of pages; the output ends with the token to resume. 0: all pages.",
    )
    return token(pages(command))


@click.group(epilog=_EPILOG)
def rooms() -> None:
    """Create, get, update, delete and list rooms."""


@rooms.command()
@room_flags
@click.option(
    "--participant",
    "participants",
    type=PARTICIPANT,
    multiple=True,
    help="Add a participant to the roster; repeatable. Roles: presenter, attendee (default),"
    " consumer, collaborator.",
)
@click.option(
    "--request-id",
    type=click.UUID,
    help="Idempotency key: repeating a create with the same UUID returns the same room.",
)
@connection_flags
def create(
    gateway: GatewayConnection,
    *,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
    participants: tuple[Participant, ...],
    request_id: UUID | None,
) -> None:
    """Create a room and print it. Omitted fields get the defaults of the Rooms service."""
    with gateway.open() as (client, printer):
        printer.room(
            client.create_room(
                valid_from, valid_until, pstn_dial_out, participants, str(request_id or "")
            )
        )


@rooms.command()
@click.argument("room_id")
@connection_flags
def get(gateway: GatewayConnection, *, room_id: str) -> None:
    """Print a room."""
    with gateway.open() as (client, printer):
        printer.room(client.get_room(room_id))


@rooms.command()
@click.argument("room_id")
@room_flags
@connection_flags
def update(
    gateway: GatewayConnection,
    *,
    room_id: str,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
) -> None:
    """Update a room and print it. Omitted fields keep their values."""
    with gateway.open() as (client, printer):
        printer.room(client.update_room(room_id, valid_from, valid_until, pstn_dial_out))


@rooms.command()
@click.argument("room_id")
@connection_flags
def delete(gateway: GatewayConnection, *, room_id: str) -> None:
    """Delete a room immediately and irreversibly."""
    with gateway.open() as (client, printer):
        printer.done(client.delete_room(room_id), f"Deleted room {room_id}.")


@rooms.command("list")
@paging_flags
@connection_flags
def list_rooms(gateway: GatewayConnection, *, page_token: str, max_pages: int) -> None:
    """List all rooms, newest first."""
    with gateway.open() as (client, printer):
        printer.rooms(client.list_rooms(page_token, max_pages))


@click.group(epilog=_EPILOG)
def participants() -> None:
    """Change and list the roster of a room."""


@participants.command()
@click.argument("room_id")
@click.argument("members", metavar="RAW_ID[=ROLE]...", type=PARTICIPANT, nargs=-1, required=True)
@connection_flags
def upsert(gateway: GatewayConnection, *, room_id: str, members: tuple[Participant, ...]) -> None:
    """Add participants, or change their roles.

    Roles: presenter, attendee (default), consumer, collaborator.
    """
    with gateway.open() as (client, printer):
        response = client.upsert_participants(room_id, members)
        printer.done(response, f"Added or changed {_participants(len(members))} in room {room_id}.")


@participants.command()
@click.argument("room_id")
@click.argument("raw_ids", metavar="RAW_ID...", nargs=-1, required=True)
@connection_flags
def remove(gateway: GatewayConnection, *, room_id: str, raw_ids: tuple[str, ...]) -> None:
    """Remove participants from the roster."""
    with gateway.open() as (client, printer):
        response = client.remove_participants(room_id, raw_ids)
        printer.done(response, f"Removed {_participants(len(raw_ids))} from room {room_id}.")


@participants.command("update")
@click.argument("room_id")
@click.option(
    "--upsert",
    "members",
    type=PARTICIPANT,
    multiple=True,
    help="Add a participant, or change its role; repeatable.",
)
@click.option(
    "--remove",
    "raw_ids",
    metavar="RAW_ID",
    multiple=True,
    help="Remove a participant; repeatable.",
)
@connection_flags
def update_participants(
    gateway: GatewayConnection,
    *,
    room_id: str,
    members: tuple[Participant, ...],
    raw_ids: tuple[str, ...],
) -> None:
    """Add, change and remove participants in one atomic request."""
    with gateway.open() as (client, printer):
        response = client.update_participants(room_id, members, raw_ids)
        printer.done(
            response,
            f"Added or changed {_participants(len(members))} and removed"
            f" {_participants(len(raw_ids))} in room {room_id}.",
        )


@participants.command("list")
@click.argument("room_id")
@paging_flags
@connection_flags
def list_participants(
    gateway: GatewayConnection, *, room_id: str, page_token: str, max_pages: int
) -> None:
    """List the roster in the order in which participants were added."""
    with gateway.open() as (client, printer):
        printer.participants(client.list_participants(room_id, page_token, max_pages))


def _participants(count: int) -> str:
    return f"{count} participant{'' if count == 1 else 's'}"
