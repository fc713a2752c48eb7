"""A small gRPC service over bytes, on a server in the event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from rooms_gateway.grpc_server.limits import Limits
from rooms_gateway.grpc_server.listener import bind_tcp
from rooms_gateway.grpc_server.server import Server

ECHO = "/test.Service/Echo"
HOLD = "/test.Service/Hold"
EXPAND = "/test.Service/Expand"
COLLECT = "/test.Service/Collect"
RELAY = "/test.Service/Relay"


@dataclass
class Service:
    """What the handlers have done, and when those that wait may end."""

    started: int = 0
    cancelled: int = 0
    written: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: bytes, context: Any) -> bytes:
        """Return the request."""
        self.started += 1
        return request

    async def hold(self, request: bytes, context: Any) -> bytes:
        """Return the request when the service is released."""
        self.started += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return request

    async def expand(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Return as many messages of 1,000 bytes as the request says."""
        for _ in range(int(request)):
            self.written += 1
            yield bytes(1000)

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Return all messages as one."""
        return b"".join([request async for request in requests])

    async def relay(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Return each message."""
        async for request in requests:
            yield request

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the methods, for a server."""
        return grpc.method_handlers_generic_handler(
            "test.Service",
            {
                "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
                "Hold": grpc.unary_unary_rpc_method_handler(self.hold),
                "Expand": grpc.unary_stream_rpc_method_handler(self.expand),
                "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
                "Relay": grpc.stream_stream_rpc_method_handler(self.relay),
            },
        )


@dataclass
class Serving:
    """A server, and where it listens."""

    server: Server
    service: Service
    port: int

    def channel(self, *options: tuple[str, Any]) -> Any:
        """Open a `grpc.aio.Channel` with a connection of its own; calls of bytes have no type."""
        own = ("grpc.use_local_subchannel_pool", 1)
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", [own, *options])

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection that sends nothing by itself."""
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def serving(
    limits: Limits | None = None, tls: Callable[[], ssl.SSLContext] | None = None
) -> AsyncIterator[Serving]:
    """Serve until the end of the block."""
    server, service = Server(limits), Service()
    server.add_generic_rpc_handlers((service.handler(),))
    [listening] = bind_tcp("127.0.0.1", 0)
    server.add_listener(listening, tls)
    await server.start()
    try:
        yield Serving(server, service, listening.getsockname()[1])
    finally:
        await server.stop(None)
