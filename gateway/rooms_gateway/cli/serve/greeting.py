"""What `rooms-gateway serve` prints when it serves."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rooms_gateway.app import Gateway

_METHOD = "acs.rooms.v1.RoomsService/CreateRoom"


def say_ready(gateway: Gateway) -> None:
    """Print each address, and, with an emulator behind, commands to try."""
    for address in gateway.addresses:
        click.echo(f"rooms-gateway is ready on {address}")
    if gateway.emulator is not None:
        click.echo(f"in front of an emulator: {gateway.emulator.connection_string}")
        if gateway.emulator.faults.list():
            click.echo(f"with faults, fault-seed={gateway.emulator.faults.seed}")
        click.echo("try one of:")
        for command in _what_to_try(gateway):
            click.echo(f"  {command}")
    sys.stdout.flush()


def _what_to_try(gateway: Gateway) -> tuple[str, str]:
    address = gateway.addresses[0]
    sibling = Path(sys.executable).with_name("buf")
    buf = "buf" if shutil.which("buf") or not sibling.exists() else _short(sibling)
    prior = f"{buf} curl --http2-prior-knowledge --protocol grpc"
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        return (
            f"grpcurl -plaintext -d '{{}}' unix://{path} {_METHOD}",
            f"{prior} --unix-socket {path} -d '{{}}' http://localhost/{_METHOD}",
        )
    if gateway.certificates is None:
        return (
            f"grpcurl -plaintext -d '{{}}' {address} {_METHOD}",
            f"{prior} -d '{{}}' http://{address}/{_METHOD}",
        )
    # Only who made the certificates knows where the files of a client are.
    grpcurl, curl = "-cacert ca.pem", "--cacert ca.pem"
    if gateway.certificates.asks_clients:
        grpcurl += " -cert client.pem -key client.key"
        curl += " --cert client.pem --key client.key"
    return (
        f"grpcurl {grpcurl} -d '{{}}' {address} {_METHOD}",
        f"{buf} curl --protocol grpc {curl} -d '{{}}' https://{address}/{_METHOD}",
    )


def _short(path: Path) -> str:
    """Return `path` as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
