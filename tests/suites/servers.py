"""The gRPC servers that the suites judge, for the programs that run a servicer on one of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any

import grpc

from rooms_gateway.grpc_server.limits import Limits
from rooms_gateway.grpc_server.listener import bind_tcp
from rooms_gateway.grpc_server.server import Server
from rooms_gateway.server.tls.files import TlsFiles, check_tls, read_tls

SERVERS = ("grpc", "loop")
"""That of grpcio, and the one in the event loop."""

GRACE = 1.0
"""Seconds for calls after SIGTERM."""

_DEFAULT_MESSAGE = 4 * 1024 * 1024


async def run(
    kind: str,
    register: Callable[[Any], None],
    ready: Callable[[int], None],
    tls: TlsFiles | None = None,
    max_message: int = 0,
) -> None:
    """Serve what `register` adds on a free port of loopback until SIGTERM.

    `ready` is called with the port. `max_message` is the limit of a request message in bytes; 0:
    the default.
    """
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    make = {"grpc": _grpc_server, "loop": _loop_server}[kind]
    server, port = make(tls, max_message or _DEFAULT_MESSAGE)
    register(server)
    await server.start()
    ready(port)
    await stop.wait()
    await server.stop(GRACE)


def _grpc_server(tls: TlsFiles | None, max_message: int) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", max_message)])
    if tls is None:
        return server, server.add_insecure_port("127.0.0.1:0")
    content = read_tls(tls)
    credentials = grpc.ssl_server_credentials(
        [(content.key, content.certificate)], content.client_ca, content.client_ca is not None
    )
    return server, server.add_secure_port("127.0.0.1:0", credentials)


def _loop_server(tls: TlsFiles | None, max_message: int) -> tuple[Server, int]:
    server = Server(Limits(max_message=max_message))
    [listening] = bind_tcp("127.0.0.1", 0)
    if tls is None:
        server.add_listener(listening)
    else:
        context = check_tls(tls, read_tls(tls), now=time.time()).context
        server.add_listener(listening, lambda: context)
    return server, int(listening.getsockname()[1])
