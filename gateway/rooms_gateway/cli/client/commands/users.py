"""`rooms-gateway users`."""

from __future__ import annotations

from uuid import UUID

import click

from rooms_gateway.cli.client.commands.flags import (
    EPILOG,
    SECRET_FILE,
    allow_missing_flag,
    confirm,
    dry_run_flags,
    read_secret,
    token_options_flags,
    yes_flag,
)
from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import DryRun, TokenOptions


@click.group(epilog=EPILOG)
def users() -> None:
    """Create and delete users, issue and revoke their access tokens."""


@users.command()
@click.option(
    "--custom-id",
    default="",
    help="Your own id of the user: a create with the same id returns the same user. Not in every"
    " api-version.",
)
@click.option("--token", "with_token", is_flag=True, help="Issue and print an access token.")
@token_options_flags
@dry_run_flags
@connection_flags
def create(
    gateway: GatewayConnection,
    *,
    custom_id: str,
    with_token: bool,
    token_options: TokenOptions | None,
    dry_run: DryRun | None,
) -> None:
    """Create a user and print its raw id. Store it: there is no list of users."""
    if token_options is not None and not with_token:
        raise click.UsageError("--scope and --lifetime require --token")
    options = token_options or TokenOptions() if with_token else None
    with gateway.open() as (client, printer):
        printer.user(client.create_user(custom_id, options, dry_run))


@users.command()
@click.argument("raw_id")
@token_options_flags
@dry_run_flags
@connection_flags
def token(
    gateway: GatewayConnection,
    *,
    raw_id: str,
    token_options: TokenOptions | None,
    dry_run: DryRun | None,
) -> None:
    """Issue an access token for a user and print it. Earlier ones remain valid."""
    with gateway.open() as (client, printer):
        printer.access_token(client.issue_token(raw_id, token_options, dry_run))


@users.command()
@click.argument("raw_id")
@dry_run_flags
@connection_flags
def revoke(gateway: GatewayConnection, *, raw_id: str, dry_run: DryRun | None) -> None:
    """Revoke all access tokens of a user. Takes effect within 15 minutes."""
    with gateway.open() as (client, printer):
        response = client.revoke_tokens(raw_id, dry_run)
        printer.done(response, f"Revoked the access tokens of user {raw_id}.")


@users.command()
@click.argument("raw_id")
@allow_missing_flag
@yes_flag
@dry_run_flags
@connection_flags
def delete(
    gateway: GatewayConnection,
    *,
    raw_id: str,
    allow_missing: bool,
    yes: bool,
    dry_run: DryRun | None,
) -> None:
    """Delete a user irreversibly, and revoke its access tokens. Rosters keep its entry."""
    confirm(f"Delete user {raw_id}?", gateway, yes=yes, dry_run=dry_run)
    with gateway.open() as (client, printer):
        response = client.delete_user(raw_id, allow_missing=allow_missing, dry_run=dry_run)
        printer.done(response, f"Deleted user {raw_id}.")


@users.command("exchange-teams-token")
@click.option(
    "--app-id",
    type=click.UUID,
    required=True,
    help="Client id of the Entra application that the Teams token was issued to.",
)
@click.option("--user-id", type=click.UUID, required=True, help="Entra object id of the user.")
@click.option(
    "--teams-token-file",
    type=SECRET_FILE,
    default="-",
    show_default=True,
    help="File with the Entra access token of the user. -: standard input.",
)
@dry_run_flags
@connection_flags
def exchange_teams_token(
    gateway: GatewayConnection,
    *,
    app_id: UUID,
    user_id: UUID,
    teams_token_file: str,
    dry_run: DryRun | None,
) -> None:
    """Exchange the Entra access token of a Teams user for an access token, and print it.

    It is for calls of Teams: it cannot join a room.
    """
    teams_token = read_secret(teams_token_file, "--teams-token-file", gateway)
    with gateway.open() as (client, printer):
        printer.access_token(
            client.exchange_teams_token(teams_token, str(app_id), str(user_id), dry_run)
        )
