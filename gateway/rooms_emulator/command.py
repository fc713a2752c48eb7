"""The command that runs the emulator: `rooms-gateway emulator` or `python -m rooms_emulator`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.faults.plan import FaultPlan
from rooms_emulator.faults.rules import MAX_SEED
from rooms_emulator.http.addresses import is_loopback, split_host_port
from rooms_emulator.output.exposure import exposure
from rooms_emulator.output.start_lines import Ready
from rooms_emulator.output.streams import Output, encode
from rooms_emulator.server import Emulator
from rooms_emulator.state.file import StateFileError
from rooms_emulator.tls.flags import Tls, tls_flags

CONTROL_KEY_VARIABLE = "ROOMS_EMULATOR_CONTROL_KEY"

EXIT_FORCED = 1
"""A second signal ended the process before the shutdown was complete."""
EXIT_USAGE = 2
EXIT_CANNOT_LISTEN = 3
EXIT_STATE_FILE = 4
"""The state file cannot be read or written."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--listen",
    default="127.0.0.1:8125",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to listen on; port 0 selects a free port.",
)
@click.option(
    "--allow-plaintext",
    is_flag=True,
    help="Allow addresses that other machines can reach without TLS. The default access key is "
    "public.",
)
@tls_flags
@click.option(
    "--access-key",
    default=DEVELOPMENT_KEY,
    metavar="BASE64",
    help="Access key to accept; by default a fixed, public one.",
)
@click.option(
    "--legacy",
    is_flag=True,
    help="Support the preview's api-version 2022-02-01 too, which production no longer lists.",
)
@click.option(
    "--faults",
    "fault_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file with faults to inject from the start; see docs/emulator.md.",
)
@click.option(
    "--fault-seed",
    type=click.IntRange(0, MAX_SEED),
    help="Seed for the random choices of faults; overrides that of the file. Random by default.",
)
@click.option(
    "--quota",
    "quotas",
    multiple=True,
    metavar="NAME=COUNT/PERIOD[,OPTION...]",
    help="Quota of an operation or an operation family, such as CreateRoom=100/1s, "
    "user-creates=1000/30s or reads=1000/10s,window,retry-after=ms; repeatable. "
    "docs/emulator.md lists families and options.",
)
@click.option(
    "--control-listen",
    metavar="HOST:PORT",
    help="Separate address for the control API; stays reachable while the emulator refuses "
    "connections.",
)
@click.option(
    "--control-key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with a key that requests to the control API must have, as Authorization: Bearer "
    f"KEY; overrides the key in {CONTROL_KEY_VARIABLE}. By default there is none.",
)
@click.option(
    "--control-allow-remote",
    is_flag=True,
    help="Accept control requests of other hosts, such as the host of a container. Needs a key.",
)
@click.option(
    "--room-retention",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Delete rooms this time after the end of their windows. By default they are kept.",
)
@click.option(
    "--journal-length",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Number of latest requests that the journal keeps.",
)
@click.option(
    "--location",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File that keeps rooms, users and their resource between runs. Each change is on the disk "
    "before its response is sent.",
)
@click.option(
    "--in-memory", is_flag=True, help="Keep no state between runs, as without --location."
)
@click.option("--quiet", is_flag=True, help="Print neither the banner nor a line for each request.")
@click.option("--json", is_flag=True, help="Print each line as a JSON object.")
@click.pass_context
def emulator(
    context: click.Context,
    *,
    listen: str,
    allow_plaintext: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_dev: bool,
    public_url: str | None,
    trust_forwarded: bool,
    access_key: str,
    legacy: bool,
    fault_file: Path | None,
    fault_seed: int | None,
    quotas: tuple[str, ...],
    control_listen: str | None,
    control_key_file: Path | None,
    control_allow_remote: bool,
    room_retention: int | None,
    journal_length: int,
    location: Path | None,
    in_memory: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Run an emulator of the Rooms and Identity REST APIs until SIGTERM or Ctrl-C.

    Prints its connection string, endpoint=…;accesskey=…, on a separate line, and control=… if the
    control API has its own address. With faults it also prints fault-seed=…: the same seed and the
    same requests lead to the same failures. A banner and a line for each request are on standard
    error. With --tls-dev, ca=… is the certificate of the development CA, and the banner has
    commands to trust it. Exit codes: 0 after a graceful shutdown, 2 for an invalid option, 3 if an
    address cannot be bound, 4 if the file of --location cannot be used.
    """
    program = context.command_path
    output = Output(json=json, quiet=quiet)
    try:
        if in_memory and location is not None:
            raise ValueError("--in-memory keeps no file: pass either that or --location")
        addresses = [each for each in (listen, control_listen) if each is not None]
        for address in addresses:
            _check_address(address, allow_plaintext=allow_plaintext or tls_dev or bool(tls_cert))
        tls = Tls.of(tls_cert, tls_key, dev=tls_dev, addresses=addresses, public_url=public_url)
        configured = Emulator(
            listen=listen,
            access_key=access_key,
            legacy=legacy,
            room_retention=room_retention,
            journal_length=journal_length,
            faults=None if fault_file is None else FaultPlan.from_file(fault_file),
            fault_seed=fault_seed,
            quotas=quotas,
            control_listen=control_listen,
            control_key=_control_key(control_key_file),
            control_allow_remote=control_allow_remote,
            file=location,
            access_log=output.log,
            tls=tls.context,
            public_url=public_url,
            trust_forwarded=trust_forwarded,
        )
    except ValueError as error:
        _fail(program, f"{error}.", EXIT_USAGE)
    try:
        with output.opened():
            if warning := exposure(filter(None, (listen, control_listen)), configured):
                output.warn("warning", warning)
            describe = partial(
                Ready.of, location=location, legacy=legacy, development=tls.development
            )
            asyncio.run(_run(configured, program, output, describe, json=json))
    except StateFileError as error:
        _fail(program, f"{error}.", EXIT_STATE_FILE)
    except OSError as error:
        flags = f"--listen{' or --control-listen' if control_listen else ''}"
        reason = error.strerror or error
        _fail(program, f"{reason}. Choose another address with {flags}.", EXIT_CANNOT_LISTEN)
    except asyncio.CancelledError:
        sys.exit(EXIT_FORCED)


async def _run(
    emulator: Emulator,
    program: str,
    output: Output,
    describe: Callable[[Emulator], Ready],
    *,
    json: bool,
) -> None:
    """Run the emulator until a signal."""
    with _shutdown_on_signals() as shutdown:
        async with emulator:
            ready = describe(emulator)
            for line in [encode(ready)] if json else ready.lines(program):
                click.echo(line)
            sys.stdout.flush()
            output.show(ready.banner())
            await shutdown.wait()


@contextmanager
def _shutdown_on_signals() -> Iterator[asyncio.Event]:
    """Set the event on SIGTERM, SIGINT or SIGHUP; on a second signal cancel the current task.

    SIGHUP comes from a closed terminal. It stays ignored in a process started with nohup.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    shutdown = asyncio.Event()

    def handle() -> None:
        if shutdown.is_set() and task is not None:
            task.cancel()
        shutdown.set()

    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, handle)
    try:
        yield shutdown
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _control_key(file: Path | None) -> str | None:
    """Return the control key in `file`, or else in the environment, or None.

    Raises ValueError if the file cannot be read.
    """
    if file is None:
        return os.environ.get(CONTROL_KEY_VARIABLE) or None
    try:
        with file.open("rb") as opened:
            # Enough to see that it is too long.
            return opened.read(1024).decode("ascii", "replace").strip()
    except OSError as error:
        raise ValueError(f"--control-key-file {file}: {error.strerror}") from None


def _check_address(address: str, *, allow_plaintext: bool) -> None:
    """Raise ValueError if `address` is malformed or exposes the emulator without permission."""
    host, _ = split_host_port(address)
    if not (allow_plaintext or is_loopback(host)):
        raise ValueError(
            f"{address} can be reached from other machines, and there is no TLS: listen on "
            "127.0.0.1, use --tls-dev, or add --allow-plaintext if the network is trusted"
        )


def _fail(program: str, message: str, code: int) -> NoReturn:
    click.echo(f"{program}: {message}", err=True)
    sys.exit(code)
