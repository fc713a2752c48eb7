"""`rooms-gateway emulator`: the emulator of the Rooms REST API alone."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from rooms_emulator import DEVELOPMENT_KEY, Emulator
from rooms_emulator.faults.plan import read_file
from rooms_emulator.faults.rules import LARGEST_SEED
from rooms_gateway.addresses import check_address
from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.serve.sources import EXIT_USAGE
from rooms_gateway.cli.signals import ShutdownRequest
from rooms_gateway.upstream.endpoint import parse_access_key


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:8125",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to serve; port 0 is any free one.",
)
@click.option(
    "--allow-plaintext",
    is_flag=True,
    help="Listen on addresses that other machines reach, although the key is known to all.",
)
@click.option(
    "--access-key",
    default=DEVELOPMENT_KEY,
    metavar="BASE64",
    help="The access key to accept; by default a fixed one that is known to all.",
)
@click.option(
    "--legacy",
    is_flag=True,
    help="Speak the preview's api-version 2022-02-01 too, which production does not list.",
)
@click.option(
    "--faults",
    "fault_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A TOML file that says what goes wrong from the start on; see docs/emulator.md.",
)
@click.option(
    "--fault-seed",
    type=click.IntRange(0, LARGEST_SEED),
    help="Decides what is drawn for faults, before the seed of the file. By default one is drawn.",
)
@click.option(
    "--control-listen",
    metavar="HOST:PORT",
    help="Where to serve the control path alone, so that it is reached while connections are "
    "refused.",
)
@click.option(
    "--journal-length",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="How many of the latest requests the journal keeps.",
)
def emulator(  # noqa: PLR0913 - one parameter a flag
    listen: str,
    access_key: str,
    fault_file: Path | None,
    fault_seed: int | None,
    control_listen: str | None,
    *,
    allow_plaintext: bool,
    legacy: bool,
    journal_length: int,
) -> None:
    """Run an emulator of the Rooms REST API until SIGTERM or Ctrl-C.

    Prints its connection string, endpoint=…;accesskey=…, on a line of its own, and control=… if
    the control path has a port of its own. With faults it prints their seed: the same seed and the
    same requests lead to the same failures. Everything is kept in memory. Exits with 0 after a
    clean stop, 2 if an option is wrong, 3 if an address cannot be bound.
    """
    try:
        for address in filter(None, (listen, control_listen)):
            if address.startswith("unix:"):
                raise ValueError(
                    f"{address}: the emulator serves host:port only, as the service does"
                )
            check_address(address, allow_plaintext=allow_plaintext)
        parse_access_key(access_key)
        made = Emulator(
            listen=listen,
            access_key=access_key,
            legacy=legacy,
            journal_length=journal_length,
            faults=None if fault_file is None else read_file(fault_file),
            fault_seed=fault_seed,
            control_listen=control_listen,
        )
    except ValueError as fault:
        click.echo(f"rooms-gateway emulator: {fault}.", err=True)
        sys.exit(EXIT_USAGE)
    try:
        asyncio.run(_run(made))
    except OSError as error:
        click.echo(
            f"rooms-gateway emulator: {error.strerror or error}. Choose another address with "
            f"--listen{' or --control-listen' if control_listen else ''}.",
            err=True,
        )
        sys.exit(exit_codes.CANNOT_LISTEN)
    except asyncio.CancelledError:
        # A second signal; there is nothing here that would be lost.
        sys.exit(exit_codes.FORCED)


async def _run(emulator: Emulator) -> None:
    stop = ShutdownRequest()
    with stop.on_signals():
        async with emulator as running:
            stop.startup_complete = True
            click.echo(f"rooms-gateway emulator is ready on {running.endpoint}")
            click.echo(running.connection_string)
            if running.control_endpoint != running.endpoint:
                click.echo(f"control={running.control_endpoint}")
            if running.faults.list():
                click.echo(f"fault-seed={running.faults.seed}")
            sys.stdout.flush()
            await stop.wait()
