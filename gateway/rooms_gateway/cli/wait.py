"""`rooms-gateway wait`: returns when a gateway serves. A start step of containers and scripts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from rooms_gateway.cli.admin_client import AdminAddress, AdminUnreachableError, asked
from rooms_gateway.cli.client.channel import ClientTls, connect, tls_flags
from rooms_gateway.cli.client.inputs import ADDRESS

EXIT_NOBODY = 1
EXIT_NOT_READY = 3

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
"""Seconds between two attempts, each twice the one before."""

_OK = 200

Ask = Callable[[float], str | None]
"""Returns once the gateway serves: None; or what it says in place of that, when it is worth to ask
again. Takes the seconds that there are. Raises AdminUnreachableError."""


@click.command()
@ADDRESS
@tls_flags
@click.option(
    "--admin",
    type=AdminAddress(),
    metavar="HOST:PORT",
    help="Ask /readyz of the admin listener there, in place of gRPC health at --address.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True, max=86400),
    default=30.0,
    show_default=True,
    help="Seconds to wait at the most.",
)
def wait(
    *, address: str, tls: ClientTls | None, admin: tuple[str, int] | None, max_wait: float
) -> None:
    """Wait until a gateway serves, also one that is not there yet.

    Exits with 0 as soon as it does, with 1 if nobody has answered in time, with 3 if a gateway has
    answered and was not ready.
    """
    ask = _asks_health(address, tls) if admin is None else _asks_readyz(admin)
    where = address if admin is None else f"{admin[0]}:{admin[1]}"
    try:
        code, said = _until_ready(ask, max_wait, time.monotonic, time.sleep)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if code:
        click.echo(f"rooms-gateway: {where} did not serve within {max_wait:g} s: {said}.", err=True)
    sys.exit(code)


def _until_ready(
    ask: Ask, max_wait: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[int, str]:
    """Ask until there is nothing in the way; return the exit code, and what was at last."""
    end = clock() + max_wait
    pause = _FIRST_PAUSE
    while True:
        try:
            said = ask(end - clock())
        except AdminUnreachableError as error:
            code, said = EXIT_NOBODY, str(error)
        else:
            code = EXIT_NOT_READY
        if said is None:
            return 0, ""
        if clock() + pause >= end:
            return code, said
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _asks_readyz(address: tuple[str, int]) -> Ask:
    def ask(seconds: float) -> str | None:
        with asked(address, "GET", "/readyz", seconds) as answer:
            if answer.status == _OK:
                return None
            return answer.text or f"HTTP status {answer.status}"

    return ask


def _asks_health(address: str, tls: ClientTls | None) -> Ask:
    """Ask by a watch: it brings every change, so that nothing is asked twice on a connection."""

    def ask(seconds: float) -> str | None:
        # Not at the top, for the sake of --help.
        import grpc  # noqa: PLC0415
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

        said = None
        # A channel of its own for each attempt: one that has failed would wait by rules of its own.
        with connect(address, tls) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=seconds):  # type: ignore[attr-defined] # not in the stubs
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return None
                    said = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            except grpc.RpcError as error:
                if said is None:
                    raise AdminUnreachableError(_no_answer(error.code().name, tls)) from None
        return said or "it says nothing"

    return ask


def _no_answer(code: str, tls: ClientTls | None) -> str:
    hint = "" if tls else ", or it speaks TLS and needs --tls-ca"
    return f"nobody answers there{hint} ({code})"
