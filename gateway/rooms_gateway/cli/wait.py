"""`rooms-gateway wait`: blocks until a gateway is ready, for start-up of containers and scripts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from rooms_gateway.cli.admin_client import AdminAddress, GatewayUnreachableError, admin_request
from rooms_gateway.cli.client.connection import ClientTls, open_channel, tls_flags
from rooms_gateway.cli.client.inputs import address_flag
from rooms_gateway.cli.interrupt import exit_on_interrupt

EXIT_UNREACHABLE = 1
EXIT_NOT_READY = 3

_FIRST_BACKOFF = 0.1
_MAX_BACKOFF = 1.0
"""Seconds between two attempts; each backoff is twice the one before."""

_OK = 200

Attempt = Callable[[float], str | None]
"""Returns None once the gateway is ready, or its last status. The argument is the timeout in
seconds. Raises GatewayUnreachableError if there is no response."""


@click.command()
@address_flag
@tls_flags
@click.option(
    "--admin",
    type=AdminAddress(),
    metavar="HOST:PORT",
    help="Poll /readyz of this admin listener instead of gRPC health at --address.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=30.0,
    show_default=True,
    help="Timeout, in seconds.",
)
@exit_on_interrupt()
def wait(
    *, address: str, tls: ClientTls | None, admin: tuple[str, int] | None, max_wait: float
) -> None:
    """Wait until a gateway is ready; it need not be running yet.

    Exits with 0 as soon as the gateway is ready, with 1 if there is no response in time, with 3 if
    a gateway responds and is not ready in time.
    """
    if admin is None:
        attempt, target = _health_attempt(address, tls), address
    else:
        attempt, target = _readyz_attempt(admin), f"{admin[0]}:{admin[1]}"
    code, status = _until_ready(attempt, max_wait, time.monotonic, time.sleep)
    if code:
        click.echo(
            f"rooms-gateway: {target} is not ready after {max_wait:g} s: {status}.", err=True
        )
    sys.exit(code)


def _until_ready(
    attempt: Attempt, max_wait: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[int, str]:
    """Repeat `attempt` until the gateway is ready; return the exit code and the last status."""
    end = clock() + max_wait
    backoff = _FIRST_BACKOFF
    while True:
        try:
            status = attempt(end - clock())
        except GatewayUnreachableError as error:
            code, status = EXIT_UNREACHABLE, str(error)
        else:
            code = EXIT_NOT_READY
        if status is None:
            return 0, ""
        if clock() + backoff >= end:
            return code, status
        sleep(backoff)
        backoff = min(2 * backoff, _MAX_BACKOFF)


def _readyz_attempt(address: tuple[str, int]) -> Attempt:
    def attempt(timeout: float) -> str | None:
        with admin_request(address, "GET", "/readyz", timeout) as response:
            if response.status == _OK:
                return None
            return response.text or f"HTTP status {response.status}"

    return attempt


def _health_attempt(address: str, tls: ClientTls | None) -> Attempt:
    """Watch health: a stream that reports each change, so that one call covers all of them."""

    def attempt(timeout: float) -> str | None:
        # Not at the top, for the sake of --help.
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        status = None
        # One channel per attempt: a channel that failed to connect applies its own backoff.
        with open_channel(address, tls) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                for response in stub.Watch(health_pb2.HealthCheckRequest(), timeout=timeout):  # type: ignore[attr-defined] # not in the stubs
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        return None
                    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
            except grpc.RpcError as error:
                if status is None:
                    raise GatewayUnreachableError(_no_response(error.code().name, tls)) from None
        return status or "no health status"

    return attempt


def _no_response(code: str, tls: ClientTls | None) -> str:
    hint = "" if tls else "; if it serves TLS, pass --tls-ca"
    return f"no response ({code}){hint}"
