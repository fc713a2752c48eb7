"""`rooms-gateway health`: a probe, for platforms without gRPC probes."""

from __future__ import annotations

import sys

import click

from rooms_gateway.cli.client.connection import ClientTls, open_channel, tls_flags
from rooms_gateway.cli.client.inputs import RESOURCE, address_flag
from rooms_gateway.cli.interrupt import exit_on_interrupt


@click.command()
@address_flag
@tls_flags
@click.option(
    "--resource",
    type=RESOURCE,
    metavar="NAME",
    help="Print the health of this resource, of a gateway that has several.",
)
@click.option(
    "--timeout",
    default=5.0,
    show_default=True,
    help="Timeout of the probe, in seconds.",
)
@exit_on_interrupt()
def health(*, address: str, resource: str | None, timeout: float, tls: ClientTls | None) -> None:
    """Print the health of a gateway.

    Exits with 0 if it is SERVING, with 1 otherwise.
    """
    # Not at the top, for the sake of --help.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    service = "" if resource is None else f"rooms-gateway.resource/{resource}"
    with open_channel(address, tls) as channel:
        try:
            response = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined] # not in the stubs
                health_pb2.HealthCheckRequest(service=service), timeout=timeout
            )
        except grpc.RpcError as error:
            click.echo(f"no response from {address}: {error.code().name}", err=True)
            sys.exit(1)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    click.echo(name)
    sys.exit(0 if name == "SERVING" else 1)
