"""`rooms-gateway rooms bulk-create` and `bulk-delete`."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.client.commands.flags import (
    allow_missing_flag,
    confirm,
    dry_run_flags,
    yes_flag,
)
from rooms_gateway.cli.client.connection import GatewayConnection, bulk_connection_flags
from rooms_gateway.cli.client.inputs import DryRun

if TYPE_CHECKING:
    from rooms_gateway.cli.client.bulk.items import ItemFile

_STDIN = "-"


def file_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the files of a bulk job to a command; it receives `file`, `as_csv` and `output`."""

    @click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
    @click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Append results to this file, which only you can read. If it has results of an"
        " earlier run, that job is resumed: items that succeeded are skipped. Default: standard"
        " output.",
    )
    @click.option(
        "--format",
        "form",
        type=click.Choice(("json", "csv")),
        help="Format of FILE. Default: csv if its name ends in .csv, otherwise json.",
    )
    @functools.wraps(command)
    def with_files(*, file: str, form: Literal["json", "csv"] | None, **others: object) -> None:
        as_csv = form == "csv" if form else file.lower().endswith(".csv")
        command(file=file, as_csv=as_csv, **others)

    return with_files


@click.command("bulk-create")
@file_flags
@click.option(
    "--job-id",
    type=click.UUID,
    help="Id of the job: sent again with the same id, it creates no room twice. Default: that of"
    " the file or of the output, otherwise a new one.",
)
@dry_run_flags
@bulk_connection_flags
def bulk_create(
    gateway: GatewayConnection,
    *,
    file: str,
    as_csv: bool,
    output: Path | None,
    job_id: uuid.UUID | None,
    dry_run: DryRun | None,
) -> None:
    """Create the rooms in FILE, and print one JSON line for each.

    FILE has a JSON object of BulkCreateRoomsRequest on each line, or is CSV with the columns key,
    valid_from, valid_until, pstn_dial_out_enabled and participants (RAW_ID=ROLE;...), of which only
    key is required. -: standard input.

    Nothing is sent if a line is malformed, except from standard input. Exits with 10 if there is an
    error for a room: run the same command again to repeat those.
    """
    from rooms_gateway.cli.client import messages
    from rooms_gateway.cli.client.bulk.items import CREATES, ItemFile

    def change(item: Any) -> None:
        if dry_run is not None:
            item.request.dry_run.CopyFrom(messages.dry_run(dry_run))

    items = ItemFile(file, as_csv, CREATES, time.time())
    total = _check(items)
    _run(gateway, items, change, output, total, str(job_id or ""))


@click.command("bulk-delete")
@file_flags
@allow_missing_flag
@yes_flag
@dry_run_flags
@bulk_connection_flags
def bulk_delete(
    gateway: GatewayConnection,
    *,
    file: str,
    as_csv: bool,
    output: Path | None,
    allow_missing: bool,
    yes: bool,
    dry_run: DryRun | None,
) -> None:
    """Delete the rooms in FILE irreversibly, and print one JSON line for each.

    FILE has a JSON object of BulkDeleteRoomsRequest on each line, or is CSV with the columns key,
    room_id and allow_missing, of which only room_id is required. -: standard input.

    Nothing is sent if a line is malformed, except from standard input. Exits with 10 if there is an
    error for a room: run the same command again to repeat those.
    """
    from rooms_gateway.cli.client import messages
    from rooms_gateway.cli.client.bulk.items import DELETES, ItemFile

    def change(item: Any) -> None:
        item.request.allow_missing |= allow_missing
        if dry_run is not None:
            item.request.dry_run.CopyFrom(messages.dry_run(dry_run))

    items = ItemFile(file, as_csv, DELETES, time.time())
    total = _check(items)
    question = f"Delete the rooms in {items.name}?" if total is None else f"Delete {total} rooms?"
    confirm(question, gateway, yes=yes, dry_run=dry_run)
    _run(gateway, items, change, output, total, "")


def _check(items: ItemFile[Any]) -> int | None:
    """Read a file to its end, and return the number of its items; None for standard input.

    Raises click.UsageError if a line is malformed.
    """
    from rooms_gateway.cli.client.bulk.items import InputError

    if items.file == _STDIN:
        return None
    try:
        return sum(1 for _ in items)
    except InputError as error:
        raise click.UsageError(str(error)) from None


def _run(
    gateway: GatewayConnection,
    items: ItemFile[Any],
    change: Callable[[Any], None],
    output: Path | None,
    total: int | None,
    job_id: str,
) -> None:
    """Send the items that have no result yet, and write their results."""
    from rooms_gateway.cli.client.bulk.items import InputError
    from rooms_gateway.cli.client.bulk.job import Job
    from rooms_gateway.cli.client.line_files import LineFile

    kind, path = items.kind, None if gateway.print_grpcurl else output
    try:
        job = Job(items, change)
        with LineFile.open(path, kind.results) as results:
            job.resume(results, job_id)
            with gateway.open() as (client, printer):
                job.run(client.bulk(kind.rpc), results, printer, total)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    if job.failed:
        raise click.exceptions.Exit(exit_codes.NOT_ALL_SUCCEEDED)
