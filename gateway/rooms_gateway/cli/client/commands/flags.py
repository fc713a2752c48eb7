"""Flags and questions that several commands have."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import click

from rooms_gateway.cli.client.connection import GatewayConnection
from rooms_gateway.cli.client.inputs import (
    DURATION,
    INSTANT,
    PARTICIPANT,
    SCOPES,
    DryRun,
    TokenOptions,
)
from rooms_gateway.files import ascii_text, read_content

EPILOG = (
    "Exit status: 0 for success, 1 if a deletion is not confirmed, 2 for a usage error, 130 for"
    " Ctrl-C, and 64 plus the gRPC code for a failed call, as in grpcurl: 67 INVALID_ARGUMENT, 69"
    " NOT_FOUND, 78 UNAVAILABLE."
)

_STDIN = "-"
_MAX_TOKEN_BYTES = 65536

SECRET_FILE = click.Path(dir_okay=False, allow_dash=True)

yes_flag = click.option(
    "--yes",
    "-y",
    is_flag=True,
    help="Delete without confirmation, which is requested on a terminal only.",
)
"""Decorator that adds `--yes` to a command."""

allow_missing_flag = click.option(
    "--allow-missing", is_flag=True, help="Succeed also if it does not exist."
)
"""Decorator that adds `--allow-missing` to a command."""


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


def dry_run_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of a dry run to a command; it receives them as `dry_run`, None without one."""

    @click.option(
        "--dry-run", "is_dry_run", is_flag=True, help="Print the REST request, and change nothing."
    )
    @click.option(
        "--show-identifiers",
        is_flag=True,
        help="Include identifiers of users in the REST request of --dry-run.",
    )
    @functools.wraps(command)
    def with_dry_run(*, is_dry_run: bool, show_identifiers: bool, **others: object) -> None:
        if show_identifiers and not is_dry_run:
            raise click.UsageError("--show-identifiers requires --dry-run")
        command(dry_run=DryRun(show_identifiers) if is_dry_run else None, **others)

    return with_dry_run


def token_options_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of an access token to a command; it receives `token_options`, or None."""

    @click.option(
        "--scope",
        "scopes",
        type=click.Choice(SCOPES),
        multiple=True,
        help="Scope of the access token; repeatable. Default: voip.join.",
    )
    @click.option(
        "--lifetime",
        type=DURATION,
        help="Time until the access token expires, such as 2h or 1h30m: 1 to 24 hours.",
    )
    @functools.wraps(command)
    def with_token_options(
        *, scopes: tuple[str, ...], lifetime: int | None, **others: object
    ) -> None:
        given = bool(scopes) or lifetime is not None
        command(token_options=TokenOptions(scopes, lifetime) if given else None, **others)

    return with_token_options


def confirm(
    question: str, gateway: GatewayConnection, *, yes: bool, dry_run: DryRun | None
) -> None:
    """Ask for confirmation on a terminal, unless the command changes nothing.

    Raises click.Abort if it is not confirmed.
    """
    if not yes and dry_run is None and not gateway.print_grpcurl and _is_interactive():
        click.confirm(f"{question} This cannot be undone.", abort=True, err=True)


def read_secret(file: str, flag: str, gateway: GatewayConnection) -> str:
    """Return the token in `file`, or on standard input for "-". Raises click.UsageError.

    With --print-grpcurl nothing is read, because a shell variable is printed instead.
    """
    if gateway.print_grpcurl:
        return "unread"
    source = Path("standard input" if file == _STDIN else file)
    try:
        if file != _STDIN:
            data = read_content(source, _MAX_TOKEN_BYTES).data
        elif _is_interactive():
            # Typed characters would be visible.
            raise ValueError("pass a file, or pipe the token to standard input")
        else:
            data = sys.stdin.buffer.read(_MAX_TOKEN_BYTES + 1)
        if token := ascii_text(data, source).strip():
            return token
        raise ValueError(f"{source} contains no token")
    except ValueError as error:
        raise click.UsageError(f"{flag}: {error}") from None


def _is_interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


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


def new_room_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags for the participants and the idempotency key of a room to create."""
    for option in (
        click.option(
            "--request-id",
            type=click.UUID,
            help="Idempotency key: repeating a create with the same UUID returns the same room.",
        ),
        click.option(
            "--participant",
            "participants",
            type=PARTICIPANT,
            multiple=True,
            help="Add a participant to the roster; repeatable. Roles: presenter, attendee"
            " (default), consumer, collaborator.",
        ),
    ):
        command = option(command)
    return command
