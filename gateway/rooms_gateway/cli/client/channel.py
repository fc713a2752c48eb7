"""How a command reaches a gateway: plaintext, TLS, or TLS with a certificate of its own.

This module imports no grpc before a channel is opened, so that --help is quick.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rooms_gateway.addresses import UNIX
from rooms_gateway.server.tls.pem import check_authorities, load_pair, read_pem

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a client speaks TLS with."""

    ca: bytes
    """Who signed the server's certificate, PEM."""
    certificate: bytes | None = None
    """The client's own, PEM."""
    key: bytes | None = field(default=None, repr=False)
    """The private key of `certificate`, PEM."""
    server_name: str | None = None
    """The name that the server's certificate must be for; None: that in the address."""


def tls_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of a TLS client, as one argument: `tls`, None for plaintext."""
    file = click.Path(path_type=Path, dir_okay=False)

    @click.option(
        "--tls-ca",
        type=file,
        help="Speak TLS, and trust the servers whose certificates are signed by this PEM file.",
    )
    @click.option("--tls-cert", type=file, help="A PEM file with the certificate to show (mTLS).")
    @click.option("--tls-key", type=file, help="A PEM file with the private key of --tls-cert.")
    @click.option(
        "--tls-server-name",
        metavar="NAME",
        help="The name in the server's certificate, if it is not the one in the address.",
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
            tls = _read(address, tls_ca, tls_cert, tls_key, tls_server_name)
        except ValueError as fault:
            raise click.UsageError(str(fault)) from None
        command(address=address, tls=tls, **others)

    return with_tls


def connect(address: str, tls: ClientTls | None = None) -> grpc.Channel:
    """Open a channel to `address`; nothing is sent before the first call."""
    import grpc  # noqa: PLC0415 - see the module's docstring

    # A proxy from the environment is meant for the internet, not for a sidecar beside us.
    options = [("grpc.enable_http_proxy", 0)]
    if tls is None:
        return grpc.insecure_channel(address, options)
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    return grpc.secure_channel(address, credentials, [*options, *named])


def _read(
    address: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str | None,
) -> ClientTls | None:
    """Read the files. Raises ValueError with the first fault; it repeats nothing of a key."""
    if ca is None:
        if certificate is not None or key is not None or server_name is not None:
            raise ValueError(
                "--tls-cert, --tls-key and --tls-server-name need --tls-ca: without it, nothing "
                "is encrypted"
            )
        return None
    if address.startswith(UNIX):
        raise ValueError("a Unix socket is never encrypted: call it without --tls-ca")
    try:
        authorities = read_pem(ca)
        check_authorities(authorities, ca, time.time())
    except ValueError as fault:
        raise ValueError(f"--tls-ca: {fault}") from None
    if (certificate is None) is not (key is None):
        raise ValueError("--tls-cert and --tls-key go together")
    if certificate is None or key is None:
        return ClientTls(authorities, server_name=server_name)
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)
    return ClientTls(authorities, read_pem(certificate), read_pem(key), server_name)
