"""`rooms-gateway shutdown`: asks a gateway on this machine to drain and stop, as SIGTERM does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from rooms_gateway.cli.admin_client import AdminAddress, AdminUnreachableError, asked

EXIT_NOBODY = 1
EXIT_REFUSED = 3
EXIT_STILL_RUNNING = 4

_OK = 200
_NOT_FOUND = 404
_ANSWER_TIMEOUT = 5.0
_PAUSE = 0.1


@click.command()
@click.option(
    "--admin",
    type=AdminAddress(),
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="The admin listener of the gateway.",
)
@click.option("--wait", is_flag=True, help="Return when it has stopped, not when it has begun to.")
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for that, at the most.",
)
def shutdown(*, admin: tuple[str, int], wait: bool, max_wait: float) -> None:
    """Ask a gateway to stop: no new calls, those in flight are finished.

    It must have been started with --quitquitquit, and be on this machine (or in this pod). Exits
    with 0 when it stops (with --wait: has stopped), 1 if nobody answers there, 3 if it refuses, 4
    if it has not stopped in time.
    """
    where = f"{admin[0]}:{admin[1]}"
    try:
        code, fault = _shut_down(admin, max_wait if wait else None, time.monotonic, time.sleep)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if fault:
        click.echo(f"rooms-gateway: {where} {fault}.", err=True)
    sys.exit(code)


def _shut_down(
    admin: tuple[str, int],
    max_wait: float | None,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[int, str]:
    """Ask, and wait for the end if `max_wait` is not None; return exit code and fault."""
    begun = clock()
    try:
        with asked(admin, "POST", "/quitquitquit", _ANSWER_TIMEOUT) as answer:
            if answer.status == _NOT_FOUND:
                return EXIT_REFUSED, "cannot be stopped so: start it with --quitquitquit"
            if answer.status != _OK:
                return EXIT_REFUSED, f"refuses: {answer.text or f'HTTP status {answer.status}'}"
            if max_wait is None:
                return 0, ""
            end = begun + max_wait
            # The listener is the last to go, and lets go of its connections then.
            answer.closed_within(end - clock())
    except AdminUnreachableError as error:
        return EXIT_NOBODY, f"does not answer: {error}"
    while clock() < end:
        try:
            # A connection may have been closed for being idle.
            with asked(admin, "GET", "/livez", min(_ANSWER_TIMEOUT, end - clock())) as answer:
                answer.closed_within(end - clock())
        except AdminUnreachableError:
            return 0, ""
        sleep(_PAUSE)
    return EXIT_STILL_RUNNING, f"has not stopped within {max_wait:g} s"
