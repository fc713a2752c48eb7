"""The channel to a gateway, and the flags of the commands that open one.

Imports neither grpc nor protobuf before a channel is opened, so that `--help` is quick.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from rooms_gateway.addresses import UNIX
from rooms_gateway.cli.client.inputs import RESOURCE, address_flag
from rooms_gateway.cli.client.token import is_readable_by_others, token_flag, with_metadata
from rooms_gateway.cli.interrupt import exit_on_interrupt
from rooms_gateway.server.tls.pem import check_authorities, load_pair, read_pem

if TYPE_CHECKING:
    import grpc

    from rooms_gateway.cli.client.output import Printer
    from rooms_gateway.cli.client.stub import Client


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS settings of a client."""

    ca: bytes
    """CA certificates that the server's certificate must chain to, PEM."""
    certificate: bytes | None = None
    """Client certificate for mTLS, PEM."""
    key: bytes | None = field(default=None, repr=False)
    """Private key of `certificate`, PEM."""
    server_name: str | None = None
    """Name that the server's certificate must be for; None: the host of the address."""
    files: tuple[Path, ...] = ()
    """Files of `ca` and, for mTLS, of `certificate` and `key`."""


def open_channel(address: str, tls: ClientTls | None = None) -> grpc.Channel:
    """Open a channel to `address`; nothing is sent before the first call. None: plaintext."""
    import grpc
    import grpc.experimental

    options: list[tuple[str, str | int]] = [
        # A proxy in the environment is for internet hosts, not for a sidecar.
        ("grpc.enable_http_proxy", 0),
        # Streams without a thread: an exception before that thread starts blocks Channel.close.
        (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
    ]
    if tls is None:
        # The name of an abstract socket begins with "@" for all but grpc.
        target = address.replace("unix:@", "unix-abstract:", 1)
        return grpc.insecure_channel(target, options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    return grpc.secure_channel(address, credentials, options)


@dataclass(frozen=True, slots=True)
class GatewayConnection:
    """The gateway that a command calls, and how it prints the responses."""

    address: str
    timeout: float | None
    """Timeout per call, in seconds; None: none."""
    as_json: bool
    open_channel: Callable[[str, ClientTls | None], grpc.Channel] = open_channel
    tls: ClientTls | None = None
    """None: plaintext."""
    token: str | None = field(default=None, repr=False)
    """Bearer token that is sent with each call."""
    resource: str | None = None
    """Name of the resource that is sent with each call."""
    print_grpcurl: bool = False
    """Print the grpcurl command of each call in place of making it."""

    def _metadata(self) -> list[tuple[str, str]]:
        metadata = []
        if self.token is not None:
            metadata.append(("authorization", f"Bearer {self.token}"))
        if self.resource is not None:
            metadata.append(("rooms-resource", self.resource))
        return metadata

    @contextmanager
    def open(self) -> Iterator[tuple[Client, Printer]]:
        """Open a channel; yield a client and a printer.

        A failed call is printed on standard error and ends the command with its exit code. With
        `print_grpcurl` no channel is opened, responses are empty, and the printer prints nothing.
        """
        import grpc

        from rooms_gateway.cli.client import failures, grpcurl, output, stub

        if self.print_grpcurl:
            printing = grpcurl.PrintingChannel(
                self.address,
                self.tls,
                sends_token=self.token is not None,
                resource=self.resource,
            )
            client = stub.Client(cast("grpc.Channel", printing), self.timeout)
            yield client, output.Printer(as_json=False, silent=True)
            return
        try:
            with self.open_channel(self.address, self.tls) as opened:
                channel = with_metadata(opened, self._metadata())
                yield stub.Client(channel, self.timeout), output.Printer(as_json=self.as_json)
        except grpc.RpcError as error:
            failure = failures.read_failure(error)
            write = failure.as_json if self.as_json else failure.as_text
            click.echo(write(self.address), err=True)
            raise click.exceptions.Exit(failure.exit_code) from None


def tls_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of a TLS client to a command; it receives them as `tls`, None for plaintext."""
    file = click.Path(path_type=Path, dir_okay=False)

    @click.option(
        "--tls-ca",
        type=file,
        help="PEM file with the CA certificates that the gateway's certificate must chain to."
        " Enables TLS.",
    )
    @click.option("--tls-cert", type=file, help="PEM file with a client certificate (mTLS).")
    @click.option("--tls-key", type=file, help="PEM file with the private key of --tls-cert.")
    @click.option(
        "--tls-server-name",
        metavar="NAME",
        help="Host name in the gateway's certificate, if it differs from the host in --address.",
    )
    @functools.wraps(command)
    def with_tls(
        *,
        address: str,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_server_name: str | None,
        **others: object,
    ) -> None:
        try:
            tls = _read_tls(address, tls_ca, tls_cert, tls_key, tls_server_name)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        command(address=address, tls=tls, **others)

    return with_tls


def connection_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that all calls have to a command; it receives a GatewayConnection.

    The `obj` of click's context, if any, opens the channel instead of `open_channel`.
    """
    return _connection_flags(command, 30.0)


def bulk_connection_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of `connection_flags`, with no timeout by default."""
    return _connection_flags(command, None)


def _connection_flags(command: Callable[..., None], timeout: float | None) -> Callable[..., None]:
    default = "" if timeout else " Default: none."

    @address_flag
    @tls_flags
    @token_flag
    @click.option(
        "--resource",
        type=RESOURCE,
        metavar="NAME",
        envvar="ROOMS_GATEWAY_RESOURCE",
        show_envvar=True,
        help="Resource to use, of a gateway that has several.",
    )
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=timeout,
        show_default=timeout is not None,
        help=f"Timeout of the whole call, in seconds.{default}",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print responses as proto JSON, one line per message (lists: per page).",
    )
    @click.option(
        "--print-grpcurl",
        is_flag=True,
        help="Print the grpcurl command that makes the same call, and exit without calling. It has"
        " shell variables for tokens: TOKEN for the bearer token.",
    )
    @functools.wraps(command)
    @exit_on_interrupt()
    def with_connection(
        *,
        address: str,
        timeout: float | None,
        as_json: bool,
        print_grpcurl: bool,
        tls: ClientTls | None,
        token: str | None,
        resource: str | None,
        **options: object,
    ) -> None:
        sends_token = token is not None and not print_grpcurl
        if sends_token and tls is None and is_readable_by_others(address):
            click.echo(
                f"warning: sending the bearer token to {address} in plaintext; pass --tls-ca if"
                " the gateway serves TLS",
                err=True,
            )
        opener = click.get_current_context().obj or open_channel
        gateway = GatewayConnection(
            *(address, timeout, as_json, opener, tls, token, resource),
            print_grpcurl=print_grpcurl,
        )
        command(gateway, **options)

    return with_connection


def _read_tls(
    address: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str | None,
) -> ClientTls | None:
    """Read the files. Raises ValueError with the first error; it never contains key material."""
    if ca is None:
        if certificate is not None or key is not None or server_name is not None:
            raise ValueError(
                "--tls-cert, --tls-key and --tls-server-name require --tls-ca, which enables TLS"
            )
        return None
    if address.startswith(UNIX):
        raise ValueError("TLS is not available on Unix sockets: omit --tls-ca")
    try:
        authorities = read_pem(ca)
        check_authorities(authorities, ca, time.time())
    except ValueError as error:
        raise ValueError(f"--tls-ca: {error}") from None
    if (certificate is None) is not (key is None):
        raise ValueError("--tls-cert and --tls-key require each other")
    if certificate is None or key is None:
        return ClientTls(authorities, server_name=server_name, files=(ca,))
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)
    files = (ca, certificate, key)
    return ClientTls(authorities, read_pem(certificate), read_pem(key), server_name, files)
