"""`rooms-gateway participants`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

import click

from rooms_gateway.cli.client.commands.flags import EPILOG, dry_run_flags, paging_flags
from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import PARTICIPANT, DryRun, Participant, parse_participant


@click.group(epilog=EPILOG)
def participants() -> None:
    """Change and list the roster of a room."""


@participants.command()
@click.argument("room_id")
@click.argument("members", metavar="RAW_ID[=ROLE]...", type=PARTICIPANT, nargs=-1, required=True)
@dry_run_flags
@connection_flags
def upsert(
    gateway: GatewayConnection,
    *,
    room_id: str,
    members: tuple[Participant, ...],
    dry_run: DryRun | None,
) -> None:
    """Add participants, or change their roles.

    Roles: presenter, attendee (default), consumer, collaborator.
    """
    with gateway.open() as (client, printer):
        response = client.upsert_participants(room_id, members, dry_run)
        printer.done(response, f"Added or changed {_participants(len(members))} in room {room_id}.")


@participants.command()
@click.argument("room_id")
@click.argument("raw_ids", metavar="RAW_ID...", nargs=-1, required=True)
@dry_run_flags
@connection_flags
def remove(
    gateway: GatewayConnection, *, room_id: str, raw_ids: tuple[str, ...], dry_run: DryRun | None
) -> None:
    """Remove participants from the roster."""
    with gateway.open() as (client, printer):
        response = client.remove_participants(room_id, raw_ids, dry_run)
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
@dry_run_flags
@connection_flags
def update_participants(
    gateway: GatewayConnection,
    *,
    room_id: str,
    members: tuple[Participant, ...],
    raw_ids: tuple[str, ...],
    dry_run: DryRun | None,
) -> None:
    """Add, change and remove participants in one atomic request."""
    with gateway.open() as (client, printer):
        response = client.update_participants(room_id, members, raw_ids, dry_run)
        printer.done(
            response,
            f"Added or changed {_participants(len(members))} and removed"
            f" {_participants(len(raw_ids))} in room {room_id}.",
        )


@participants.command()
@click.argument("room_id")
@click.argument("members", metavar="[RAW_ID[=ROLE]...]", type=PARTICIPANT, nargs=-1)
@click.option(
    "--file",
    "lines",
    type=click.File(encoding="utf-8-sig"),
    help="Read participants from this file, one RAW_ID[=ROLE] per line; - is standard input.",
)
@click.option(
    "--remove-all",
    is_flag=True,
    help="Permit an empty list, which removes every participant.",
)
@click.option(
    "--expected-fingerprint",
    default="",
    help="Sync only if the roster still has this fingerprint.",
)
@click.option(
    "--max-removals",
    type=click.IntRange(0, 2**32 - 1),
    help="Change nothing if more participants would be removed. Default: no limit.",
)
@dry_run_flags
@connection_flags
def sync(
    gateway: GatewayConnection,
    *,
    room_id: str,
    members: tuple[Participant, ...],
    lines: TextIO | None,
    remove_all: bool,
    expected_fingerprint: str,
    max_removals: int | None,
    dry_run: DryRun | None,
) -> None:
    """Make the roster equal to a list; only what differs is sent.

    Roles: presenter, attendee (default), consumer, collaborator.
    """
    listed = (*members, *(_read(lines) if lines is not None else ()))
    if not listed and not remove_all:
        raise click.UsageError("the list is empty: name participants, or pass --remove-all")
    with gateway.open() as (client, printer):
        response = client.sync_participants(
            room_id, listed, expected_fingerprint, max_removals, dry_run
        )
        printer.roster_changes(response)


def _read(lines: TextIO) -> Iterator[Participant]:
    """Yield the participants in `lines`. Raises click.UsageError for a line that is none."""
    try:
        for number, line in enumerate(lines, start=1):
            if text := line.strip():
                try:
                    yield parse_participant(text)
                except ValueError as error:
                    raise click.UsageError(f"{lines.name}, line {number}: {error}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{lines.name} is not UTF-8 text") from None


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
