"""`rooms-gateway serve`: the gateway itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gateway.cli.options import entra_flags, setting
from gateway.credentials import CredentialUnusable
from gateway.credentials.flags import EntraFlags
from gateway.rest.versions import ALL_API_VERSIONS, DEFAULT_API_VERSION, LEGACY_API_VERSION
from gateway.settings import DEFAULT_LISTEN, Settings, SettingsError, read_upstream

if TYPE_CHECKING:
    from gateway.app import Gateway

EXIT_CUT_SHORT = 1
EXIT_USAGE = 2
EXIT_CANNOT_LISTEN = 3
EXIT_NO_CREDENTIAL = 4

ACCESS_KEY_VARIABLE = "ROOMS_GATEWAY_ACCESS_KEY"
"""Has no flag: command lines can be read by everybody on the machine."""


@click.command()
@setting(
    "--connection-string",
    also="COMMUNICATION_CONNECTION_STRING",
    metavar="TEXT",
    help="endpoint=https://…;accesskey=…, as the Keys page of the resource shows it.",
)
@setting(
    "--endpoint",
    metavar="URL",
    help="The resource's endpoint, together with --access-key-file, the environment variable "
    f"{ACCESS_KEY_VARIABLE}, or --entra.",
)
@setting(
    "--access-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that holds one or two access keys, one a line; read again when it changes.",
)
@entra_flags
@setting(
    "--emulator", is_flag=True, help="Talk to an emulator of the service, inside this process."
)
@setting(
    "--listen",
    multiple=True,
    default=(DEFAULT_LISTEN,),
    metavar="ADDRESS",
    help="host:port (port 0: any free one) or unix:/path. Repeat it for more than one.",
)
@setting(
    "--allow-plaintext",
    is_flag=True,
    help="Listen on addresses that other machines reach, although calls are not encrypted.",
)
@setting(
    "--api-version",
    type=click.Choice(list(ALL_API_VERSIONS)),
    default=DEFAULT_API_VERSION,
    help=f"The REST api-version to speak. {LEGACY_API_VERSION} needs --enable-legacy.",
)
@setting(
    "--default-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    help="Seconds for a unary call whose caller sets no deadline.",
)
@setting(
    "--attempt-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    help="Seconds for one REST request.",
)
@setting(
    "--max-attempts",
    type=click.IntRange(min=1),
    default=4,
    help="REST requests for one call, the first included.",
)
@setting(
    "--max-concurrent-calls",
    type=click.IntRange(min=1),
    default=1000,
    help="Calls served at once; more are refused with RESOURCE_EXHAUSTED.",
)
@setting(
    "--drain-grace",
    type=click.FloatRange(min=0),
    default=10.0,
    help="Seconds that calls in flight have to finish at a stop.",
)
@setting(
    "--complete-windows/--no-complete-windows",
    default=True,
    help="Complete an update of one end of a room's window with the other, as it is.",
)
@setting(
    "--enable-legacy",
    field="legacy",
    is_flag=True,
    help="Serve acs.rooms.legacy.v1.LegacyRoomsService, the preview's operations. Deprecated.",
)
@setting("--reflection/--no-reflection", default=True, help="Let grpcurl ask what there is.")
@setting(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    help="Log from this level on, to standard error. One line a call at info.",
)
@click.pass_context
def serve(  # noqa: PLR0913 - one parameter a flag
    context: click.Context,
    /,
    *,
    connection_string: str | None,
    endpoint: str | None,
    access_key_file: Path | None,
    entra: EntraFlags,
    emulator: bool,
    log_level: str,
    **others: Any,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    Prints `rooms-gateway is ready on ADDRESS` for each listener when it serves. Exits with 0 after
    a clean stop, 1 if a second signal cut it short, 2 if a setting is wrong, 3 if an address cannot
    be bound, 4 if no Entra ID token can be had.
    """
    # Not at the top: `--help` and the client commands need none of it.
    from gateway import app, telemetry  # noqa: PLC0415
    from gateway.listen import BindError  # noqa: PLC0415

    try:
        if emulator:
            _refuse_two_upstreams(context)
            upstream = None
        else:
            upstream = read_upstream(
                connection_string,
                endpoint,
                access_key_file,
                access_key=os.environ.get(ACCESS_KEY_VARIABLE),
                entra=entra,
            )
        settings = Settings(upstream=upstream, **others)
    except SettingsError as error:
        for fault in error.faults:
            click.echo(f"rooms-gateway: {fault}.", err=True)
        click.echo("Try 'rooms-gateway serve --help'.", err=True)
        sys.exit(EXIT_USAGE)
    telemetry.configure(log_level)
    try:
        asyncio.run(app.serve(settings, _say_ready))
    except BindError as error:
        click.echo(f"rooms-gateway: {error}.", err=True)
        sys.exit(EXIT_CANNOT_LISTEN)
    except CredentialUnusable as error:
        click.echo(f"rooms-gateway: {error}.", err=True)
        sys.exit(EXIT_NO_CREDENTIAL)
    except asyncio.CancelledError:
        click.echo("rooms-gateway: stopped at once, as the second signal asked.", err=True)
        sys.exit(EXIT_CUT_SHORT)


def _refuse_two_upstreams(context: click.Context) -> None:
    """Raise SettingsError if the command line names a service beside --emulator.

    One from the environment is passed over: --emulator is how one gets around it.
    """
    for name in ("connection_string", "endpoint", "access_key_file", "entra"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = name.replace("_", "-")
            raise SettingsError([f"--emulator and --{flag} name two services: give one of them"])


def _say_ready(gateway: Gateway) -> None:
    for address in gateway.addresses:
        click.echo(f"rooms-gateway is ready on {address}")
    if gateway.emulator is not None:
        click.echo(f"in front of an emulator: {gateway.emulator.connection_string}")
        _say_what_to_try(gateway.addresses[0])
    sys.stdout.flush()


def _say_what_to_try(address: str) -> None:
    method = "acs.rooms.v1.RoomsService/CreateRoom"
    sibling = Path(sys.executable).with_name("buf")
    buf = "buf" if shutil.which("buf") or not sibling.exists() else _short(sibling)
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        grpcurl = f"grpcurl -plaintext -d '{{}}' unix://{path} {method}"
        curl = f"--unix-socket {path} -d '{{}}' http://localhost/{method}"
    else:
        grpcurl = f"grpcurl -plaintext -d '{{}}' {address} {method}"
        curl = f"-d '{{}}' http://{address}/{method}"
    click.echo("try one of:")
    click.echo(f"  {grpcurl}")
    click.echo(f"  {buf} curl --http2-prior-knowledge --protocol grpc {curl}")


def _short(path: Path) -> str:
    """Return `path` as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
