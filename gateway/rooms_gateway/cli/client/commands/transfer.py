"""`rooms-gateway rooms export` and `rooms-gateway rooms import`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click

from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.client.commands.filter_flags import filter_flags
from rooms_gateway.cli.client.connection import GatewayConnection, connection_flags
from rooms_gateway.cli.client.inputs import DURATION, RoomFilter

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.option(
    "--output",
    type=_FILE,
    help="File to write, which only you can read. If it has an incomplete export, this continues"
    " it. Default: standard output.",
)
@filter_flags
@connection_flags
def export_command(
    gateway: GatewayConnection, *, output: Path | None, room_filter: RoomFilter
) -> None:
    """Write rooms with their rosters as JSON lines, the newest first.

    Each line is an object with `room` and `participants`, in proto JSON. A file has lines for its
    state too: the filter, page tokens, and the end of the export.

    The timeout is that of each call, of which an export has one for at most 16 rooms. Calls that
    fail for a reason that passes are repeated; then repeat the command to continue its file.

    Exits with 10 if the roster of a room could not be read; the room is left out.
    """
    from acs.rooms.v1 import rooms_pb2

    from rooms_gateway.cli.client import messages
    from rooms_gateway.cli.client.line_files import LineFile
    from rooms_gateway.cli.client.progress import Progress
    from rooms_gateway.cli.client.text import rooms_text
    from rooms_gateway.cli.client.transfer import export

    conditions = messages.room_filter(room_filter) or rooms_pb2.RoomFilter()
    path = None if gateway.print_grpcurl else output
    with LineFile.open(path, export.FORMAT) as file:
        job = export.Export(file, conditions)
        if job.complete:
            click.echo(f"{path} is complete: nothing is exported again.", err=True)
        elif job.exported:
            click.echo(f"Continuing after {rooms_text(job.exported)}.", err=True)
        with (
            gateway.open() as (client, printer),
            closing(Progress(visible=printer.shows_hints)) as progress,
        ):
            job.run(client, progress)
    if path is not None:
        click.echo(f"Exported {rooms_text(job.exported)} to {path}.")
    if job.failed:
        raise click.exceptions.Exit(exit_codes.NOT_ALL_SUCCEEDED)


@click.command("import")
@click.argument("source", metavar="FILE", type=click.File("rb"))
@click.option(
    "--output",
    type=_FILE,
    help="File to write the map from old to new room ids to. If it has one, its rooms are not"
    " imported again. Default: standard output.",
)
@click.option(
    "--only-users-of",
    "resource_id",
    metavar="RESOURCE_ID",
    help="Import only participants that are users of this resource, which have raw ids such as"
    " 8:acs:RESOURCE_ID_…. Default: import all participants.",
)
@click.option(
    "--reopen",
    type=DURATION,
    help="Import rooms with a window that has ended too, open from now for this time, such as 7d."
    " Default: skip them.",
)
@click.option(
    "--job-id",
    type=click.UUID,
    help="Makes the import repeatable without a file: with the same job id, a room that was"
    " created within the last minutes is not created again. Default: that of the file, or a new"
    " one.",
)
@click.option("--dry-run", is_flag=True, help="Let the gateway check each room, and create none.")
@connection_flags
def import_command(
    gateway: GatewayConnection,
    *,
    source: BinaryIO,
    output: Path | None,
    resource_id: str | None,
    reopen: int | None,
    job_id: UUID | None,
    dry_run: bool,
) -> None:
    """Create the rooms of an export, and print a map from old to new room ids as JSON lines.

    FILE is an export; -: standard input. The id and the creation time of a room cannot be imported.
    A room that has opened already opens now, and one that would be open for more than 180 days
    closes after 180 days: see `changes` in its line.

    Participants are users of one resource, and cannot join rooms of another one: create users there
    first, and replace the raw ids in FILE. A room is not imported if the Rooms service rejects a
    participant of it.

    Exits with 10 if a room was not imported, unless it was skipped because its window has ended.
    """
    from rooms_gateway.cli.client.line_files import LineFile, read_stream
    from rooms_gateway.cli.client.progress import Progress
    from rooms_gateway.cli.client.transfer import imports, plans

    lines = read_stream(source)
    no_changes = dry_run or gateway.print_grpcurl
    with (
        LineFile.open(output, imports.FORMAT, read_only=no_changes) as room_map,
        gateway.open() as (client, printer),
    ):
        progress = Progress(visible=printer.shows_hints)
        job = UUID(room_map.job_id(("--job-id", str(job_id or ""))))
        options = plans.ImportOptions(job, resource_id, reopen)
        importer = imports.Importer(client, options, room_map, progress, dry_run=dry_run)
        if gateway.print_grpcurl:
            for plan in importer.plans(lines):
                client.import_room(plan.request)
            return
        try:
            importer.run(lines)
        finally:
            progress.close()
            click.echo(importer.summary, err=output is None)
    if importer.summary.failed:
        raise click.exceptions.Exit(exit_codes.NOT_ALL_SUCCEEDED)
