"""`rooms-gateway health`: the probe for places that have no gRPC probe of their own."""

from __future__ import annotations

import sys

import click

from rooms_gateway.cli.client.channel import ClientTls, connect, tls_flags
from rooms_gateway.cli.client.inputs import ADDRESS


@click.command()
@ADDRESS
@tls_flags
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for the answer.")
def health(*, address: str, timeout: float, tls: ClientTls | None) -> None:
    """Ask a gateway whether it serves: exits with 0 if it does, with 1 if not."""
    # Not at the top, for the sake of --help.
    import grpc  # noqa: PLC0415
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    with connect(address, tls) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined] # not in the stubs
                health_pb2.HealthCheckRequest(), timeout=timeout
            )
        except grpc.RpcError as error:
            click.echo(f"no answer from {address}: {error.code().name}", err=True)
            sys.exit(1)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(name)
    sys.exit(0 if name == "SERVING" else 1)
