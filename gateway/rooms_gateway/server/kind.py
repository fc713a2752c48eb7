"""The two gRPC servers. Must not import grpc: `--help` stays fast."""

from __future__ import annotations

from enum import StrEnum


class ServerKind(StrEnum):
    """The library that serves gRPC."""

    LOOP = "loop"
    """`rooms_gateway.grpc_server`, in the event loop."""
    GRPC = "grpc"
    """The server of grpcio, in threads of C++."""
