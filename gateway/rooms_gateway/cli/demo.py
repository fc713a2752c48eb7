"""`rooms-gateway demo`: a room's whole life, through a gateway that lives as long as the demo."""

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

from rooms_gateway.cli.client.commands import participants, rooms

_READY = "rooms-gateway is ready on "
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_RESOURCE = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884"
_PEOPLE = {
    "ALICE": f"{_RESOURCE}_00000026-7637-da8c-08d5-363a0d005464",
    "BOB": f"{_RESOURCE}_00000026-7638-1b2c-290c-113a0d00bee1",
    "CAROL": f"{_RESOURCE}_00000026-7639-40c7-84a7-0c3a0d001ca2",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the walk, how it must exit, and what its answer must contain.

    `command` and `expected` may name `$ROOM`, `$ALICE`, `$BOB` and `$CAROL`.
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
    Step("rooms delete $ROOM", ("Deleted room $ROOM",)),
    Step("rooms get $ROOM", ("NOT_FOUND", "ROOM_NOT_FOUND"), exit_code=69),
)


class DemoError(Exception):
    """The walk cannot go on; the text says why."""


@click.command()
def demo() -> None:
    """Walk a room's whole life: start a gateway with the emulator on a free port, and call it."""
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
    click.echo("\nEvery answer was as expected.")


def run(serve: Sequence[str]) -> None:
    """Start `serve`, walk all steps through it, and stop it whatever happens.

    Raises DemoError if it does not start, answers something else or does not stop cleanly.
    """
    with _gateway(serve) as address:
        _say(f"export ROOMS_GATEWAY_ADDRESS={address}")
        for name, raw_id in _PEOPLE.items():
            _say(f"{name}={raw_id}")
        walk(address)


def walk(address: str) -> None:
    """Run every step against the gateway at `address`. Raises DemoError at the first surprise."""
    names = dict(_PEOPLE)
    client = click.Group("rooms-gateway", commands=[rooms, participants])
    for step in STEPS:
        click.echo()
        _say(f"rooms-gateway {step.command}")
        arguments = [Template(word).substitute(names) for word in shlex.split(step.command)]
        code, answer = _invoke(client, [*arguments, "--address", address])
        click.echo(answer, nl=False)
        _check(step, code, answer, names)
        if "ROOM" not in names:
            names["ROOM"] = _room_id(answer)
            _say(f"ROOM={names['ROOM']}")


def _say(command: str) -> None:
    click.echo(click.style(f"$ {command}", fg="cyan"))


def _invoke(client: click.Group, arguments: list[str]) -> tuple[int, str]:
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(answer):
        code: int | None = client.main(arguments, standalone_mode=False)
    return code or 0, answer.getvalue()


def _room_id(answer: str) -> str:
    for line in answer.splitlines():
        match line.split():
            case ["id", room_id]:
                return room_id
    raise DemoError("The answer to the create names no room.")


def _check(step: Step, code: int, answer: str, names: dict[str, str]) -> None:
    if code != step.exit_code:
        raise DemoError(f"That should have ended with exit code {step.exit_code}, not {code}.")
    for text in step.expected:
        if Template(text).substitute(names) not in answer:
            raise DemoError(f"That answer should have contained {text!r}.")
    for text in step.unexpected:
        if Template(text).substitute(names) in answer:
            raise DemoError(f"That answer should not have contained {text!r}.")


@contextlib.contextmanager
def _gateway(command: Sequence[str]) -> Iterator[str]:
    """Start a gateway, lend its address, and stop it."""
    with subprocess.Popen(  # noqa: S603 - our own command line
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_undisturbed_environment(),
    ) as process:
        # Both pipes are read to their end, lest the gateway block on a full one.
        output: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        log: collections.deque[str] = collections.deque(maxlen=10)
        threading.Thread(target=_pump, args=(process.stdout or (), output), daemon=True).start()
        logger = threading.Thread(target=log.extend, args=(process.stderr or (),), daemon=True)
        logger.start()
        try:
            yield _address(output)
            process.terminate()
            code = process.wait(_STOP_SECONDS)
            if code:
                raise DemoError(f"The gateway stopped with exit code {code}.")
        except subprocess.TimeoutExpired:
            raise DemoError(f"The gateway did not stop within {_STOP_SECONDS:g} s.") from None
        except DemoError as error:
            process.kill()
            logger.join(_STOP_SECONDS)
            raise DemoError("\n  ".join([str(error), *map(str.rstrip, log)])) from None
        finally:
            process.kill()


def _undisturbed_environment() -> dict[str, str]:
    """Leave out the settings of another gateway, perhaps one in front of the real service."""
    settings = ("ROOMS_GATEWAY_", "COMMUNICATION_CONNECTION_STRING")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}


def _address(output: "queue.SimpleQueue[str | None]") -> str:
    try:
        while (line := output.get(timeout=_START_SECONDS)) is not None:
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
    except queue.Empty:
        raise DemoError("The gateway was not ready in time.") from None
    raise DemoError("The gateway ended before it was ready.")


def _pump(lines: Iterable[str], output: "queue.SimpleQueue[str | None]") -> None:
    for line in lines:
        output.put(line)
    output.put(None)
