"""Flags of the command for TLS, and for the addresses that responses and lines of output name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from rooms_emulator.http.addresses import UNSPECIFIED, split_host_port
from rooms_emulator.tls.development import DevelopmentTls
from rooms_emulator.tls.files import context_from_files

_FLAGS = (
    click.option(
        "--tls-cert",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="PEM file with the certificate of the emulator and its chain. Enables TLS.",
    ),
    click.option(
        "--tls-key",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="PEM file with the private key of --tls-cert.",
    ),
    click.option(
        "--tls-dev",
        is_flag=True,
        help="Enable TLS with a certificate of a development CA, which is made once and kept for "
        "this user. Requires pip install 'rooms-gateway[tls-dev]'.",
    ),
    click.option(
        "--public-url",
        metavar="URL",
        help="Scheme, host and port in the connection string and in links of lists, such as "
        "https://rooms.test:8443. By default links have those that the client used.",
    ),
    click.option(
        "--trust-forwarded",
        is_flag=True,
        help="Take scheme, host and port of links from the headers Forwarded and X-Forwarded-* of "
        "a proxy.",
    ),
)


def tls_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


class Tls(NamedTuple):
    """What the flags select."""

    context: ssl.SSLContext | None = None
    """Context of the listeners; None for plain HTTP."""
    development: DevelopmentTls | None = None
    """Where the context comes from, with --tls-dev."""

    @classmethod
    def of(
        cls,
        cert: Path | None,
        key: Path | None,
        *,
        dev: bool,
        addresses: list[str],
        public_url: str | None,
    ) -> Tls:
        """Load or make the certificate, for `addresses`, `host:port`, and the host of a URL.

        Raises ValueError, with one sentence, if flags contradict each other, or files cannot be
        used.
        """
        if dev:
            if cert or key:
                raise ValueError(
                    "--tls-dev makes a certificate: pass either that, or --tls-cert and --tls-key"
                )
            development = DevelopmentTls(_hosts(addresses, public_url))
            return cls(development.context, development)
        if cert or key:
            return cls(context_from_files(cert, key))
        return cls()


def _hosts(addresses: list[str], public_url: str | None) -> Iterator[str]:
    """Yield the hosts that clients use to call the addresses."""
    for address in addresses:
        host, _ = split_host_port(address)
        yield socket.gethostname() if host in UNSPECIFIED else host
    if public_url and (public := urlsplit(public_url).hostname):
        yield public
