"""`rooms-gateway rooms`."""

from __future__ import annotations

from uuid import UUID

import click

from rooms_gateway.cli.client.commands.bulk import bulk_create, bulk_delete
from rooms_gateway.cli.client.commands.filter_flags import filter_flags
from rooms_gateway.cli.client.commands.flags import (
    EPILOG,
    allow_missing_flag,
    confirm,
    dry_run_flags,
    new_room_flags,
    paging_flags,
    room_flags,
    yes_flag,
)
from rooms_gateway.cli.client.commands.transfer import export_command, import_command
from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import (
    DryRun,
    Instant,
    Participant,
    RoomFilter,
)

roster_flag = click.option(
    "--include-participants", is_flag=True, help="Print the roster of the room too."
)
"""Decorator that adds `--include-participants` to a command."""


@click.group(epilog=EPILOG)
def rooms() -> None:
    """Create, get, update, delete, list, export and import rooms."""


rooms.add_command(bulk_create)
rooms.add_command(bulk_delete)


@rooms.command()
@room_flags
@new_room_flags
@roster_flag
@dry_run_flags
@connection_flags
def create(
    gateway: GatewayConnection,
    *,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
    participants: tuple[Participant, ...],
    request_id: UUID | None,
    include_participants: bool,
    dry_run: DryRun | None,
) -> None:
    """Create a room and print it. Omitted fields get the defaults of the Rooms service."""
    with gateway.open() as (client, printer):
        response = client.create_room(
            valid_from,
            valid_until,
            pstn_dial_out,
            participants,
            str(request_id or ""),
            include_participants=include_participants,
            dry_run=dry_run,
        )
        printer.room(response, response.participants if include_participants else None)


@rooms.command()
@click.argument("room_ids", metavar="ROOM_ID...", nargs=-1, required=True)
@roster_flag
@connection_flags
def get(
    gateway: GatewayConnection, *, room_ids: tuple[str, ...], include_participants: bool
) -> None:
    """Print rooms, up to the first that fails."""
    with gateway.open() as (client, printer):
        for room_id in room_ids:
            response = client.get_room(room_id, include_participants=include_participants)
            printer.room(response, response.participants if include_participants else None)


@rooms.command()
@click.argument("room_id")
@room_flags
@dry_run_flags
@connection_flags
def update(
    gateway: GatewayConnection,
    *,
    room_id: str,
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
    dry_run: DryRun | None,
) -> None:
    """Update a room and print it. Omitted fields keep their values."""
    with gateway.open() as (client, printer):
        printer.room(client.update_room(room_id, valid_from, valid_until, pstn_dial_out, dry_run))


@rooms.command()
@click.argument("room_ids", metavar="ROOM_ID...", nargs=-1, required=True)
@allow_missing_flag
@yes_flag
@dry_run_flags
@connection_flags
def delete(
    gateway: GatewayConnection,
    *,
    room_ids: tuple[str, ...],
    allow_missing: bool,
    yes: bool,
    dry_run: DryRun | None,
) -> None:
    """Delete rooms immediately and irreversibly, up to the first that fails."""
    named = f"room {room_ids[0]}" if len(room_ids) == 1 else f"{len(room_ids)} rooms"
    confirm(f"Delete {named}?", gateway, yes=yes, dry_run=dry_run)
    with gateway.open() as (client, printer):
        for room_id in room_ids:
            response = client.delete_room(room_id, allow_missing=allow_missing, dry_run=dry_run)
            printer.done(response, f"Deleted room {room_id}.")


@rooms.command("list")
@click.option(
    "--include-participants",
    is_flag=True,
    help="Print the roster of each room too, which costs a request for each room.",
)
@filter_flags
@paging_flags
@connection_flags
def list_rooms(
    gateway: GatewayConnection,
    *,
    page_token: str,
    max_pages: int,
    room_filter: RoomFilter,
    include_participants: bool,
) -> None:
    """List rooms, newest first: all, or those that fulfil every condition.

    To resume a list by --page-token, repeat its conditions with absolute times.
    """
    with gateway.open() as (client, printer):
        pages = client.list_rooms(
            page_token, max_pages, room_filter, include_participants=include_participants
        )
        printer.rooms(pages, include_participants=include_participants)


rooms.add_command(export_command)
rooms.add_command(import_command)
