"""The service of gRPC's interoperability tests, as a program: `python -m suites.interop_server`.

Source: grpc's doc/interop-test-descriptions.md.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from interop import empty_pb2, messages_pb2, test_pb2_grpc
from suites import servers

from rooms_gateway.server.tls.files import TlsFiles

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
"""Metadata of requests that the response repeats."""

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Interop:
    """grpc.testing.TestService."""

    async def EmptyCall(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    async def UnaryCall(self, request: Any, context: Any) -> Any:  # noqa: N802
        await echo_metadata(context)
        await fail_as_requested(request, context)
        return messages_pb2.SimpleResponse(payload=payload(request.response_size))

    CacheableUnaryCall = UnaryCall

    async def StreamingOutputCall(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for response in responses(request):
            yield response

    async def StreamingInputCall(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        size = 0
        async for request in requests:
            size += len(request.payload.body)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    async def FullDuplexCall(  # noqa: N802
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        await echo_metadata(context)
        async for request in requests:
            await fail_as_requested(request, context)
            async for response in responses(request):
                yield response

    async def HalfDuplexCall(  # noqa: N802
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        for request in [request async for request in requests]:
            async for response in responses(request):
                yield response

    async def UnimplementedCall(self, request: Any, context: Any) -> None:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the service leaves it out")


async def echo_metadata(context: Any) -> None:
    received = dict(context.invocation_metadata())
    if INITIAL in received:
        await context.send_initial_metadata([(INITIAL, received[INITIAL])])
    if TRAILING in received:
        context.set_trailing_metadata([(TRAILING, received[TRAILING])])


async def fail_as_requested(request: Any, context: Any) -> None:
    if request.response_status.code:
        await context.abort(CODES[request.response_status.code], request.response_status.message)


async def responses(request: Any) -> AsyncIterator[Any]:
    for parameters in request.response_parameters:
        await asyncio.sleep(parameters.interval_us / 1e6)
        yield messages_pb2.StreamingOutputCallResponse(payload=payload(parameters.size))


def payload(size: int) -> Any:
    return messages_pb2.Payload(body=bytes(size))


def register(server: Any) -> None:
    test_pb2_grpc.add_TestServiceServicer_to_server(Interop(), server)


def main(kind: str, folder: str = "") -> None:
    """Run a kind of server, with the TLS files in `folder` if there is one."""
    tls = TlsFiles(Path(folder, "tls.crt"), Path(folder, "tls.key")) if folder else None

    def ready(port: int) -> None:
        sys.stdout.write(f"port {port}\n")
        sys.stdout.flush()

    asyncio.run(servers.run(kind, register, ready, tls))


if __name__ == "__main__":
    main(*sys.argv[1:])
