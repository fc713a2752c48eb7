"""The gRPC servers that the suites judge, for the programs that run a servicer on one of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

SERVERS = ("grpc", "loop")
"""grpc's own asyncio server, and the server in the event loop."""

GRACE = 1.0
"""Seconds for calls after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a server; with `client_ca`, clients need a certificate that it signed."""

    certificate: bytes
    key: bytes
    client_ca: bytes = b""


async def run(
    kind: str,
    register: Callable[[Any], None],
    ready: Callable[[int], None],
    tls: Tls | None = None,
    max_message_bytes: int = 0,
) -> None:
    """Serve what `register` adds on a free port of loopback until SIGTERM.

    `ready` is called with the port. `max_message_bytes` is of a request, after decompression; 0:
    the server's default.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server, port = await _STARTS[kind](register, tls, max_message_bytes)
    ready(port)
    await stop.wait()
    await server.stop(GRACE)


async def _start_grpc(
    register: Callable[[Any], None], tls: Tls | None, max_message_bytes: int
) -> tuple[Any, int]:
    options = [("grpc.so_reuseport", 0)]
    if max_message_bytes:
        options.append(("grpc.max_receive_message_length", max_message_bytes))
    server = grpc.aio.server(options=options)
    register(server)
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca or None, bool(tls.client_ca)
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    return server, port


_STARTS = {"grpc": _start_grpc}
