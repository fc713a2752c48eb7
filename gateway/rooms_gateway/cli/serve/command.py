"""`rooms-gateway serve`: the gateway itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rooms_gateway.cli.serve.command_class import SettingsCommand
from rooms_gateway.cli.serve.limits import limit_flags
from rooms_gateway.cli.serve.listeners import admin_flags, listener_flags
from rooms_gateway.cli.serve.options import entra_flags, setting
from rooms_gateway.cli.serve.sources import SettingsContext, read_settings_file
from rooms_gateway.settings import DEFAULT_LISTEN, Settings, SettingsError, read_upstream
from rooms_gateway.telemetry.tracing_faults import tracing_faults
from rooms_gateway.upstream.credentials.flags import EntraFlags
from rooms_gateway.upstream.versions import API_VERSIONS, DEFAULT_API_VERSION

GRPC_EXPERIMENTS = "-event_engine_client,-event_engine_listener"
"""A tenth less CPU a call: see docs/decisions/0002-hot-path.md."""

ACCESS_KEY_VARIABLE = "ROOMS_GATEWAY_ACCESS_KEY"
"""Has no flag: command lines can be read by everybody on the machine."""


@click.command(cls=SettingsCommand)
@setting(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    in_file=False,
    callback=read_settings_file,
    help="A TOML file with settings, by the names of the flags: max-attempts = 5.",
)
@setting(
    "--config-test",
    is_flag=True,
    in_file=False,
    help="Check all settings, and the files that they name, and start nothing.",
)
@setting(
    "--connection-string",
    also="COMMUNICATION_CONNECTION_STRING",
    secret=True,
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
    "--emulator-faults",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --emulator, a TOML file that says what goes wrong in it; see docs/emulator.md.",
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
@listener_flags
@setting(
    "--api-version",
    type=click.Choice(list(API_VERSIONS)),
    default=DEFAULT_API_VERSION,
    help="The REST api-version to speak.",
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
    default=200,
    help="Unary calls served at once; more wait. As many connections to the service, or twice.",
)
@limit_flags
@setting(
    "--admin-listen",
    metavar="ADDRESS",
    help="host:port for probes and metrics: /startupz, /readyz, /livez, /metrics. None by default.",
)
@admin_flags
@setting(
    "--traces",
    is_flag=True,
    help="Trace calls, and send spans by OTLP (gRPC) to where OTEL_EXPORTER_OTLP_ENDPOINT says. "
    "Needs pip install 'rooms-gateway[otel]'.",
)
@setting(
    "--drain-delay",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds to serve on, not ready any more, before a stop begins.",
)
@setting(
    "--drain-grace",
    type=click.FloatRange(min=0),
    default=10.0,
    help="Seconds that calls in flight have to finish at a stop.",
)
@setting(
    "--exit-zero-on-sigterm",
    is_flag=True,
    help="Exit with 0 after any stop that began with SIGTERM, so that a sidecar fails no Job.",
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
@setting(
    "--log-format",
    type=click.Choice(["json", "console"]),
    help="How log lines are written. By default console on a terminal, json otherwise.",
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
    emulator_faults: Path | None,
    config_test: bool,
    log_level: str,
    log_format: str | None,
    exit_zero_on_sigterm: bool,
    **others: Any,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    A flag goes before its environment variable, that before the file of --config, and that before
    the default. Prints `rooms-gateway is ready on ADDRESS` for each listener when it serves. Exits
    with 0 after a clean stop, 1 if a second signal cut it short, 2 if a setting is wrong, 3 if an
    address cannot be bound, 4 if no Entra ID token can be had, or no key to check callers'
    tokens, 5 if calls in flight outlasted --drain-grace and were ended, 6 if it was stopped before
    it served.
    """
    reading = SettingsContext.of(context)
    upstream = None
    with reading.rules(context):
        if emulator:
            _refuse_two_upstreams(context)
        else:
            upstream = read_upstream(
                connection_string,
                endpoint,
                access_key_file,
                access_key=os.environ.get(ACCESS_KEY_VARIABLE),
                entra=entra,
            )
    with reading.rules(context):
        settings = Settings(upstream=upstream, emulator_faults=emulator_faults, **others)
    if emulator_faults is not None:
        with reading.rules(context):
            _check_faults(emulator_faults)
    with reading.rules(context):
        if others["traces"] and (faults := tracing_faults(os.environ)):
            raise SettingsError(faults)
    reading.exit_if_faulty(context)
    if config_test:
        return

    # grpc reads it when it is first used. What an operator has set stands.
    os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
    # Not at the top: `--help` and `--config-test` need none of it.
    from rooms_gateway.cli.serve.run import run  # noqa: PLC0415
    from rooms_gateway.telemetry import logs  # noqa: PLC0415

    logs.configure(log_level, logs.LogFormat(log_format) if log_format else None)
    sys.exit(run(settings, exit_zero_on_sigterm=exit_zero_on_sigterm))


def _check_faults(file: Path) -> None:
    """Raise SettingsError if there are no faults in `file`."""
    from rooms_emulator import Emulator, FaultPlan  # noqa: PLC0415 - as above

    try:
        Emulator(faults=FaultPlan.from_file(file))
    except ValueError as error:
        raise SettingsError([f"--emulator-faults: {error}"]) from None


def _refuse_two_upstreams(context: click.Context) -> None:
    """Raise SettingsError if the command line, or the file that says `emulator`, names a service.

    One from the environment is passed over: --emulator is how one gets around it.
    """
    refused = {ParameterSource.COMMANDLINE}
    if context.get_parameter_source("emulator") is ParameterSource.DEFAULT_MAP:
        refused.add(ParameterSource.DEFAULT_MAP)
    names = ("connection_string", "endpoint", "access_key_file", "entra")
    flags = [
        name.replace("_", "-") for name in names if context.get_parameter_source(name) in refused
    ]
    if flags:
        raise SettingsError(
            [f"--emulator and --{flag} name two services: give one of them" for flag in flags]
        )
