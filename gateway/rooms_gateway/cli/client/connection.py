"""How a command reaches the gateway and shows its answer.

This module imports neither grpc nor protobuf before a command runs, so that --help is quick.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from rooms_gateway.cli.client.channel import ClientTls, connect, tls_flags
from rooms_gateway.cli.client.inputs import ADDRESS
from rooms_gateway.cli.client.token import token_flag, travels_openly, with_bearer

if TYPE_CHECKING:
    import grpc

    from rooms_gateway.cli.client.output import Printer
    from rooms_gateway.cli.client.stub import Client


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens the channel to an address; tests hand in their own as click's `obj`."""

    dial: "Callable[[str], grpc.Channel] | None" = None


@dataclass(frozen=True, slots=True)
class GatewayConnection:
    """What one command needs: where the gateway is, and seconds that the call may take."""

    address: str
    timeout: float
    as_json: bool
    dialer: Dialer
    tls: ClientTls | None = None
    """What to speak TLS with; None: plaintext."""
    token: str | None = field(default=None, repr=False)
    """The bearer token to show, if any."""

    @contextmanager
    def open(self) -> "Iterator[tuple[Client, Printer]]":
        """Lend a client and a printer.

        A failed call is explained on standard error and becomes click's Exit with its exit code;
        Ctrl-C becomes 130.
        """
        import grpc  # noqa: PLC0415 - see the module's docstring

        from rooms_gateway.cli.client import (
            failures,
            output,
        )
        from rooms_gateway.cli.client import stub as calls

        try:
            dial = self.dialer.dial or functools.partial(connect, tls=self.tls)
            with dial(self.address) as dialled:
                channel = with_bearer(dialled, self.token) if self.token else dialled
                yield calls.Client(channel, self.timeout), output.Printer(as_json=self.as_json)
        except grpc.RpcError as error:
            failure = failures.read_failure(error)
            write = failure.as_json if self.as_json else failure.as_text
            click.echo(write(self.address), err=True)
            raise click.exceptions.Exit(failure.exit_code) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None


def linked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every call, and pass them to it as a Link."""

    @ADDRESS
    @tls_flags
    @token_flag
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        help="Seconds that the whole call may take.",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print answers as proto JSON, one line per message (for a list, per page).",
    )
    @functools.wraps(command)
    def with_link(
        *,
        address: str,
        timeout: float,
        as_json: bool,
        tls: ClientTls | None,
        token: str | None,
        **options: object,
    ) -> None:
        if token is not None and tls is None and travels_openly(address):
            click.echo(
                f"warning: the token travels to {address} unencrypted; give --tls-ca if the "
                "gateway speaks TLS",
                err=True,
            )
        dialer = click.get_current_context().find_object(Dialer) or Dialer()
        command(GatewayConnection(address, timeout, as_json, dialer, tls, token), **options)

    return with_link
