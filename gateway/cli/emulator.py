"""`rooms-gateway emulator`: the emulator of the Rooms REST API alone."""

from __future__ import annotations

import asyncio
import sys

import click

from gateway.addresses import check_address
from gateway.cli.serve import EXIT_CANNOT_LISTEN, EXIT_CUT_SHORT
from gateway.cli.sources import EXIT_USAGE
from gateway.emulator import DEVELOPMENT_KEY, Emulator
from gateway.endpoint import parse_access_key
from gateway.signals import Stop


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
def emulator(listen: str, access_key: str, *, allow_plaintext: bool, legacy: bool) -> None:
    """Run an emulator of the Rooms REST API until SIGTERM or Ctrl-C.

    Prints its connection string, endpoint=…;accesskey=…, on a line of its own. Everything is kept
    in memory. Exits with 0 after a clean stop, 2 if an option is wrong, 3 if the address cannot be
    bound.
    """
    try:
        if listen.startswith("unix:"):
            raise ValueError(f"{listen}: the emulator serves host:port only, as the service does")
        check_address(listen, allow_plaintext=allow_plaintext)
        parse_access_key(access_key)
    except ValueError as fault:
        click.echo(f"rooms-gateway emulator: {fault}.", err=True)
        sys.exit(EXIT_USAGE)
    try:
        asyncio.run(_run(Emulator(listen=listen, access_key=access_key, legacy=legacy)))
    except OSError as error:
        click.echo(
            f"rooms-gateway emulator: {error.strerror or error}. Choose another address with "
            "--listen.",
            err=True,
        )
        sys.exit(EXIT_CANNOT_LISTEN)
    except asyncio.CancelledError:
        # A second signal; there is nothing here that would be lost.
        sys.exit(EXIT_CUT_SHORT)


async def _run(emulator: Emulator) -> None:
    stop = Stop()
    with stop.by_signals():
        async with emulator as running:
            stop.started = True
            click.echo(f"rooms-gateway emulator is ready on {running.endpoint}")
            click.echo(running.connection_string)
            sys.stdout.flush()
            await stop.wait()
