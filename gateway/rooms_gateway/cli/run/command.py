"""The command `run`: flags, start and shutdown, and the environment of the command."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from rooms_gateway.cli.run.child import ChildCommand, exit_code_of
from rooms_gateway.testing import GatewayProcess, ProcessError, RoomsEmulator

EXIT_NOT_STARTED = 125
"""Gateway or emulator did not start; env(1) and docker-run(1) report their own errors so too."""

_SEED_BITS = 32


class _Flags(click.ParamType[Any, Any]):
    """Flags of another command, split as a shell does it."""

    name = "flags"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return tuple(shlex.split(value)) if isinstance(value, str) else value
        except ValueError as error:
            return self.fail(f"{value!r}: {error}", param, ctx)


# Flags after the first argument are those of the command, also without `--`.
@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--emulator-options",
    type=_Flags(),
    default=(),
    metavar="FLAGS",
    help="Extra flags for the emulator, such as '--faults faults.toml --fault-seed 7'.",
)
@click.option(
    "--gateway-options",
    type=_Flags(),
    default=(),
    metavar="FLAGS",
    help="Extra flags for the gateway, such as '--enable-legacy --max-attempts 1'.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to append the log of the gateway to. By default it is not kept.",
)
@click.argument(
    "command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]..."
)
def run(
    *,
    emulator_options: Sequence[str],
    gateway_options: Sequence[str],
    log_file: Path | None,
    command: Sequence[str],
) -> None:
    """Run COMMAND with a gateway and an emulator, for tests in any language.

    Both listen on free ports of loopback, and stop when COMMAND ends. Its environment names them:
    ROOMS_GATEWAY_ADDRESS, the target for gRPC; COMMUNICATION_CONNECTION_STRING, the emulator for
    Microsoft's SDKs, also under the other names in their documentation; ROOMS_EMULATOR_ENDPOINT;
    ROOMS_EMULATOR_CONTROL_ENDPOINT, the control API of the emulator, which injects faults.

    Exits with the exit code of COMMAND, with 128+N if signal N ended it, with 127 if there is no
    such command, with 126 if it cannot be executed, with 125 if gateway or emulator do not start.
    SIGTERM is forwarded to COMMAND; a second one kills it.
    """
    child = ChildCommand()
    with child.handling_signals(), ExitStack() as stack:
        try:
            emulator = RoomsEmulator(secrets.randbits(_SEED_BITS), emulator_options)
            stack.callback(_finish, emulator)
            upstream = [f"--connection-string={emulator.connection_string}"]
            gateway = GatewayProcess(upstream, gateway_options, log_file)
            stack.callback(_finish, gateway)
        except ProcessError as error:
            _report(str(error))
            sys.exit(EXIT_NOT_STARTED)
        except OSError as error:
            is_log = log_file is not None and str(error.filename) == str(log_file)
            subject = f"--log-file: {log_file}" if is_log else "cannot start"
            _report(f"{subject}: {error.strerror}.")
            sys.exit(EXIT_NOT_STARTED)
        try:
            code = child.run(command, environment(os.environ, gateway.address, emulator))
        except OSError as error:
            code = exit_code_of(error)
            _report(f"cannot run {command[0]}: {error.strerror}.")
    sys.exit(code)


def environment(
    inherited: Mapping[str, str], address: str, emulator: RoomsEmulator
) -> dict[str, str]:
    """Return the environment of the command: `inherited`, with the addresses.

    Without settings and connection strings of the caller, which may be for a production resource.
    """
    # Imported here: `--help` needs no settings.
    from rooms_gateway.settings.declaration import PREFIX
    from rooms_gateway.settings.upstream import CONNECTION_STRING, OTHER_CONNECTION_STRINGS

    return {
        **{name: text for name, text in inherited.items() if not name.startswith(PREFIX)},
        **dict.fromkeys((CONNECTION_STRING, *OTHER_CONNECTION_STRINGS), emulator.connection_string),
        f"{PREFIX}ADDRESS": address,
        "ROOMS_EMULATOR_ENDPOINT": emulator.endpoint,
        "ROOMS_EMULATOR_CONTROL_ENDPOINT": emulator.control_endpoint,
    }


def _finish(process: RoomsEmulator | GatewayProcess) -> None:
    """Stop a process. Report if it had ended before: that may explain a failure of the command."""
    try:
        process.finish()
    except ProcessError as error:
        _report(str(error))


def _report(message: str) -> None:
    click.echo(f"rooms-gateway: {message}", err=True)
