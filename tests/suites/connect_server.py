"""The service of Connect's conformance suite, as a program: `python -m suites.connect_server`.

It reads a ServerCompatRequest from standard input, and writes a ServerCompatResponse once it
serves. Source: docs/testing_servers.md and proto/ of connectrpc.com/conformance.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from connectrpc.conformance.v1 import server_compat_pb2, service_pb2, service_pb2_grpc
from google.rpc.status_pb2 import Status
from suites import servers

from rooms_gateway.server.tls.files import TlsFiles

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Conformance:
    """connectrpc.conformance.v1.ConformanceService."""

    async def Unary(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.UnaryResponse(payload=await respond([request], context))

    async def IdempotentUnary(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.IdempotentUnaryResponse(payload=await respond([request], context))

    async def ClientStream(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        received = [request async for request in requests]
        return service_pb2.ClientStreamResponse(payload=await respond(received, context))

    async def ServerStream(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        definition = request.response_definition
        await send_headers(definition, context)
        info = request_info([request], context)
        for data in definition.response_data:
            payload = await next_payload(definition, data, info)
            yield service_pb2.ServerStreamResponse(payload=payload)
            info = None
        await fail(definition, info, context)

    async def BidiStream(  # noqa: N802
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        first: Any = None
        received: list[Any] = []
        sent = 0
        async for request in requests:
            received.append(request)
            if first is None:
                first = request
                definition = first.response_definition
                if first.full_duplex:
                    await send_headers(definition, context)
            if first.full_duplex:
                if sent == len(definition.response_data):
                    break
                info = request_info(received, None if sent else context)
                payload = await next_payload(definition, definition.response_data[sent], info)
                yield service_pb2.BidiStreamResponse(payload=payload)
                sent += 1
                received = []
        if first is None:
            return
        if not first.full_duplex:
            await send_headers(definition, context)
        info = None if sent else request_info(received, context)
        for data in definition.response_data[sent:]:
            payload = await next_payload(definition, data, info)
            yield service_pb2.BidiStreamResponse(payload=payload)
            info = None
        await fail(definition, info, context)

    async def Unimplemented(self, request: Any, context: Any) -> None:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the service leaves it out")


async def respond(requests: Sequence[Any], context: Any) -> Any:
    """Return the payload that the first of the requests defines, or fail as it does."""
    info = request_info(requests, context)
    if not requests:
        return service_pb2.ConformancePayload(request_info=info)
    definition = requests[0].response_definition
    await send_headers(definition, context)
    payload = await next_payload(definition, definition.response_data, info)
    if definition.HasField("error"):
        await fail(definition, info, context)
    return payload


async def send_headers(definition: Any, context: Any) -> None:
    await context.send_initial_metadata(metadata(definition.response_headers))
    context.set_trailing_metadata(metadata(definition.response_trailers))


async def next_payload(definition: Any, data: bytes, info: Any) -> Any:
    await asyncio.sleep(definition.response_delay_ms / 1000)
    return service_pb2.ConformancePayload(data=data, request_info=info)


async def fail(definition: Any, info: Any, context: Any) -> None:
    """Fail as defined, if so; `info` is for an error without a response before it."""
    if not definition.HasField("error"):
        return
    error = definition.error
    status = Status(code=error.code, message=error.message, details=error.details)
    if info is not None:
        status.details.add().Pack(info)
    trailers = (
        *metadata(definition.response_trailers),
        ("grpc-status-details-bin", status.SerializeToString()),
    )
    await context.abort(CODES[error.code], error.message, trailers)


def request_info(requests: Sequence[Any], context: Any) -> Any:
    """Return what was received; without a context, the messages only."""
    info = service_pb2.ConformancePayload.RequestInfo()
    for request in requests:
        info.requests.add().Pack(request)
    if context is not None:
        values: dict[str, list[str]] = {}
        for name, value in context.invocation_metadata():
            text = b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else value
            values.setdefault(name, []).append(text)
        for name, texts in values.items():
            info.request_headers.add(name=name, value=texts)
        if (left := context.time_remaining()) is not None:
            info.timeout_ms = max(int(left * 1000), 0)
    return info


def metadata(headers: Sequence[Any]) -> list[tuple[str, str | bytes]]:
    """Return headers as grpc takes them: those with binary values are encoded by the suite."""
    return [
        (name, b64decode(f"{value}==") if name.endswith("-bin") else value)
        for name, value in (
            (header.name.lower(), value) for header in headers for value in header.value
        )
    ]


def register(server: Any) -> None:
    service_pb2_grpc.add_ConformanceServiceServicer_to_server(Conformance(), server)


def main(kind: str) -> None:
    """Run a kind of server as the request on standard input asks for."""
    size = int.from_bytes(sys.stdin.buffer.read(4))
    request = server_compat_pb2.ServerCompatRequest.FromString(sys.stdin.buffer.read(size))

    def ready(port: int) -> None:
        response = server_compat_pb2.ServerCompatResponse(
            host="127.0.0.1", port=port, pem_cert=request.server_creds.cert
        ).SerializeToString()
        sys.stdout.buffer.write(len(response).to_bytes(4) + response)
        sys.stdout.flush()

    with TemporaryDirectory() as folder:
        tls = write_tls(request, Path(folder)) if request.use_tls else None
        asyncio.run(servers.run(kind, register, ready, tls, request.message_receive_limit))


def write_tls(request: Any, folder: Path) -> TlsFiles:
    """Write the PEM files of a request."""
    (folder / "tls.crt").write_bytes(request.server_creds.cert)
    (folder / "tls.key").write_bytes(request.server_creds.key)
    (folder / "ca.crt").write_bytes(request.client_tls_cert)
    client_ca = folder / "ca.crt" if request.client_tls_cert else None
    return TlsFiles(folder / "tls.crt", folder / "tls.key", client_ca)


if __name__ == "__main__":
    main(*sys.argv[1:])
