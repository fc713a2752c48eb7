"""`rooms-gateway demo`: the life of a room, through a gateway that runs as long as the demo."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import queue
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Template

import click

from rooms_gateway.cli import exit_codes
from rooms_gateway.cli.client.commands.join import join
from rooms_gateway.cli.client.commands.participants import participants
from rooms_gateway.cli.client.commands.rooms import rooms
from rooms_gateway.cli.interrupt import exit_on_interrupt

_READY = "rooms-gateway is ready on "
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 15.0
_RESOURCE = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884"
_USERS = {
    "ALICE": f"{_RESOURCE}_00000026-7637-da8c-08d5-363a0d005464",
    "BOB": f"{_RESOURCE}_00000026-7638-1b2c-290c-113a0d00bee1",
    "CAROL": f"{_RESOURCE}_00000026-7639-40c7-84a7-0c3a0d001ca2",
}


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the demo, its exit code, and texts that its output must and must not contain.

    The command and the texts may contain `$ROOM`, `$ALICE`, `$BOB` and `$CAROL`.
    """

    command: str
    expected: tuple[str, ...]
    unexpected: tuple[str, ...] = ()
    exit_code: int = 0


STEPS = (
    Step(
        "rooms create --valid-until +2h --participant $ALICE=presenter --participant $BOB",
        ("valid_until", "pstn_dial_out_enabled  false"),
    ),
    Step("rooms get $ROOM", ("$ROOM", "created_at")),
    Step(
        "rooms update $ROOM --valid-from +1h --valid-until +3h --pstn-dial-out",
        ("$ROOM", "pstn_dial_out_enabled  true"),
    ),
    Step("rooms list", ("VALID UNTIL", "$ROOM")),
    Step("participants upsert $ROOM $BOB=collaborator $CAROL=consumer", ("2 participants",)),
    Step(
        "participants list $ROOM",
        ("$ALICE  presenter", "$BOB  collaborator", "$CAROL  consumer"),
    ),
    Step("participants remove $ROOM $CAROL", ("1 participant",)),
    Step("participants update $ROOM --upsert $ALICE=attendee --remove $BOB", ("removed 1",)),
    Step("participants list $ROOM", ("$ALICE  attendee",), unexpected=("$BOB", "$CAROL")),
    Step("join admit $ROOM new=presenter#Dora", ("label", "Dora", "access_token")),
    Step("join explain $ROOM $CAROL", ("5828",), exit_code=exit_codes.JOIN_OBSTACLES),
    Step("participants sync $ROOM $ALICE=presenter", ("changed", "removed", "$ALICE")),
    Step("rooms delete $ROOM --yes", ("Deleted room $ROOM",)),
    Step("rooms get $ROOM", ("NOT_FOUND", "ERROR_REASON_ROOM_NOT_FOUND"), exit_code=69),
)


class DemoError(Exception):
    """The gateway or a step failed; the text describes it."""


@click.command()
def demo() -> None:
    """Run the client commands for rooms and participants, admit a guest, and explain a join.

    Starts a gateway with the emulator on a free port, and stops it at the end.
    """
    try:
        run(
            [
                sys.executable,
                "-m",
                "rooms_gateway",
                "serve",
                "--emulator",
                "--listen",
                "127.0.0.1:0",
            ]
        )
    except DemoError as error:
        raise click.ClickException(str(error)) from None
    click.echo("\nAll responses were as expected.")


def run(serve: Sequence[str]) -> None:
    """Start a gateway with the command `serve`, run all steps, and stop the gateway.

    Raises DemoError if the gateway does not start, a step fails, or the shutdown is not clean.
    """
    with _gateway(serve) as address:
        _echo_command(f"export ROOMS_GATEWAY_ADDRESS={address}")
        for name, raw_id in _USERS.items():
            _echo_command(f"{name}={raw_id}")
        run_steps(address)


def run_steps(address: str) -> None:
    """Run all steps against the gateway at `address`. Raises DemoError at the first that fails."""
    names = dict(_USERS)
    client = click.Group("rooms-gateway", commands=[rooms, participants, join])
    for step in STEPS:
        click.echo()
        _echo_command(f"rooms-gateway {step.command}")
        arguments = [Template(word).substitute(names) for word in shlex.split(step.command)]
        code, output = _invoke(client, [*arguments, "--address", address])
        click.echo(output, nl=False)
        _check(step, code, output, names)
        if "ROOM" not in names:
            names["ROOM"] = _room_id(output)
            _echo_command(f"ROOM={names['ROOM']}")


def _echo_command(command: str) -> None:
    click.echo(click.style(f"$ {command}", fg="cyan"))


def _invoke(client: click.Group, arguments: list[str]) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code: int | None = client.main(arguments, standalone_mode=False)
    return code or 0, output.getvalue()


def _room_id(output: str) -> str:
    for line in output.splitlines():
        match line.split():
            case ["id", room_id]:
                return room_id
    raise DemoError("The output of `rooms create` contains no room id.")


def _check(step: Step, code: int, output: str, names: dict[str, str]) -> None:
    if code != step.exit_code:
        raise DemoError(f"Expected exit code {step.exit_code}, got {code}.")
    for text in step.expected:
        if Template(text).substitute(names) not in output:
            raise DemoError(f"Expected {text!r} in the output.")
    for text in step.unexpected:
        if Template(text).substitute(names) in output:
            raise DemoError(f"Expected no {text!r} in the output.")


@contextlib.contextmanager
def _gateway(command: Sequence[str]) -> Iterator[str]:
    """Start a gateway, yield its address, and stop it."""
    with (
        subprocess.Popen(  # noqa: S603 - a fixed command line
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_environment(),
        ) as process,
        exit_on_interrupt(process.kill),
    ):
        # Both pipes are read to their end: a full pipe would block the gateway.
        output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        log: collections.deque[str] = collections.deque(maxlen=10)
        threading.Thread(target=_pump, args=(process.stdout or (), output), daemon=True).start()
        logger = threading.Thread(target=log.extend, args=(process.stderr or (),), daemon=True)
        logger.start()
        try:
            yield _address(output)
            process.terminate()
            code = process.wait(_STOP_TIMEOUT)
            if code:
                raise DemoError(f"The gateway stopped with exit code {code}.")
        except subprocess.TimeoutExpired:
            raise DemoError(f"The gateway did not stop within {_STOP_TIMEOUT:g} s.") from None
        except DemoError as error:
            process.kill()
            logger.join(_STOP_TIMEOUT)
            raise DemoError("\n  ".join([str(error), *map(str.rstrip, log)])) from None
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """Return the environment without settings, which may be for a production gateway."""
    settings = ("ROOMS_GATEWAY_", "COMMUNICATION_CONNECTION_STRING")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}


def _address(output: queue.SimpleQueue[str | None]) -> str:
    try:
        while (line := output.get(timeout=_START_TIMEOUT)) is not None:
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
    except queue.Empty:
        raise DemoError("The gateway was not ready in time.") from None
    raise DemoError("The gateway ended before it was ready.")


def _pump(lines: Iterable[str], output: queue.SimpleQueue[str | None]) -> None:
    for line in lines:
        output.put(line)
    output.put(None)
