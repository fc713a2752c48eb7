"""`rooms-gateway shutdown`: graceful shutdown over HTTP, as SIGTERM starts it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from rooms_gateway.cli.admin_client import AdminAddress, GatewayUnreachableError, admin_request
from rooms_gateway.cli.interrupt import exit_on_interrupt

EXIT_UNREACHABLE = 1
EXIT_REJECTED = 3
EXIT_STILL_RUNNING = 4

_OK = 200
_NOT_FOUND = 404
_TIMEOUT = 5.0
_POLL_INTERVAL = 0.1


@click.command()
@click.option(
    "--admin",
    type=AdminAddress(),
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the gateway's admin listener.",
)
@click.option(
    "--wait", is_flag=True, help="Return when the gateway has stopped, not when it starts to drain."
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=60.0,
    show_default=True,
    help="Timeout of --wait, in seconds.",
)
@exit_on_interrupt()
def shutdown(*, admin: tuple[str, int], wait: bool, max_wait: float) -> None:
    """Shut a gateway down gracefully.

    The gateway rejects new calls and lets calls in flight finish.

    Requires a gateway that was started with --quitquitquit, on the same host or in the same pod.
    Exits with 0 when the shutdown has started (with --wait: when the gateway has stopped), 1 if the
    gateway cannot be reached, 3 if it rejects the request, 4 if it has not stopped in time.
    """
    code, error = _shut_down(admin, max_wait if wait else None, time.monotonic, time.sleep)
    if error:
        click.echo(f"rooms-gateway: {admin[0]}:{admin[1]} {error}.", err=True)
    sys.exit(code)


def _shut_down(
    admin: tuple[str, int],
    max_wait: float | None,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> tuple[int, str]:
    """Request the shutdown; wait for its end unless `max_wait` is None. Return code and error."""
    started = clock()
    try:
        with admin_request(admin, "POST", "/quitquitquit", _TIMEOUT) as response:
            if response.status == _NOT_FOUND:
                return EXIT_REJECTED, "has no shutdown over HTTP: start it with --quitquitquit"
            if response.status != _OK:
                reason = response.text or f"HTTP status {response.status}"
                return EXIT_REJECTED, f"rejected the shutdown: {reason}"
            if max_wait is None:
                return 0, ""
            end = started + max_wait
            # The admin listener closes last, and its idle connections with it.
            response.closed_within(end - clock())
    except GatewayUnreachableError as error:
        return EXIT_UNREACHABLE, f"cannot be reached: {error}"
    while clock() < end:
        try:
            # The connection may also have been closed because it was idle.
            with admin_request(admin, "GET", "/livez", min(_TIMEOUT, end - clock())) as response:
                response.closed_within(end - clock())
        except GatewayUnreachableError:
            return 0, ""
        sleep(_POLL_INTERVAL)
    return EXIT_STILL_RUNNING, f"has not stopped within {max_wait:g} s"
