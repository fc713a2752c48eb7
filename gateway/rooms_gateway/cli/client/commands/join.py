"""`rooms-gateway join`."""

from __future__ import annotations

from uuid import UUID

import click

from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.client.commands.flags import (
    EPILOG,
    SECRET_FILE,
    dry_run_flags,
    new_room_flags,
    read_secret,
    room_flags,
    token_options_flags,
)
from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import (
    GUEST,
    INSTANT,
    DryRun,
    Guest,
    Instant,
    Participant,
    TokenOptions,
)


@click.group(epilog=EPILOG)
def join() -> None:
    """Admit users to rooms with access tokens, and explain failed joins."""


@join.command()
@click.argument("room_id")
@click.argument("guests", metavar="GUEST...", type=GUEST, nargs=-1, required=True)
@token_options_flags
@dry_run_flags
@connection_flags
def admit(
    gateway: GatewayConnection,
    *,
    room_id: str,
    guests: tuple[Guest, ...],
    token_options: TokenOptions | None,
    dry_run: DryRun | None,
) -> None:
    """Add guests to the roster, and print an access token for each.

    A GUEST is the raw id of a user, "new" for a new user, or custom:ID for the user with your own
    id, which is created if it does not exist. Add =ROLE for a role (presenter, attendee, consumer,
    collaborator), then #LABEL for a name that is printed with the result: new=presenter#Alice.
    Without a role, a participant keeps its own, and any other guest is an attendee.

    The access tokens are valid until the window of the room ends, within 1 to 24 hours, unless
    --lifetime is set.

    Exits with 9 if there is an error for a guest.
    """
    with gateway.open() as (client, printer):
        response = client.admit(room_id, guests, token_options, dry_run)
        printer.admission(response)
    if any(guest.HasField("error") for guest in response.results):
        raise click.exceptions.Exit(exit_codes.NOT_ALL_ADMITTED)


@join.command()
@click.argument("guests", metavar="GUEST...", type=GUEST, nargs=-1, required=True)
@room_flags
@new_room_flags
@token_options_flags
@dry_run_flags
@connection_flags
def create_room(
    gateway: GatewayConnection,
    *,
    guests: tuple[Guest, ...],
    valid_from: Instant | None,
    valid_until: Instant | None,
    pstn_dial_out: bool | None,
    participants: tuple[Participant, ...],
    request_id: UUID | None,
    token_options: TokenOptions | None,
    dry_run: DryRun | None,
) -> None:
    """Create a room, admit guests to it, and print an access token for each.

    A GUEST is as for `join admit`. The flag --participant is for those that need no access token.

    Exits with 9 if there is an error for a guest: admit it with `join admit`.
    """
    with gateway.open() as (client, printer):
        response = client.create_room_with_guests(
            valid_from,
            valid_until,
            pstn_dial_out,
            participants,
            str(request_id or ""),
            guests=guests,
            token=token_options,
            dry_run=dry_run,
        )
        printer.admission(response)
    if any(guest.HasField("error") for guest in response.results):
        raise click.exceptions.Exit(exit_codes.NOT_ALL_ADMITTED)


@join.command()
@click.argument("room_id")
@click.argument("raw_id")
@click.option(
    "--at",
    "time",
    type=INSTANT,
    help="Time of the join: ISO 8601 (UTC without an offset), now, or an offset from now such as"
    " -5m or +2h. Default: now.",
)
@click.option(
    "--access-token-file",
    type=SECRET_FILE,
    help="File with the access token of the user, to check it too. -: standard input.",
)
@connection_flags
def explain(
    gateway: GatewayConnection,
    *,
    room_id: str,
    raw_id: str,
    time: Instant | None,
    access_token_file: str | None,
) -> None:
    """Print every obstacle to the join of a user, with the code and subcode of the Calling SDK.

    Exits with 8 if there is an obstacle.
    """
    access_token = ""
    if access_token_file is not None:
        access_token = read_secret(access_token_file, "--access-token-file", gateway)
    with gateway.open() as (client, printer):
        response = client.explain_join(room_id, raw_id, time, access_token)
        printer.explanation(response, room_id, raw_id)
    if response.obstacles:
        raise click.exceptions.Exit(exit_codes.JOIN_OBSTACLES)
