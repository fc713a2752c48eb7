"""Server reflection, v1 and v1alpha, with the comments of the protos.

grpcio-reflection speaks v1alpha only, and Python's descriptors have no comments. v1 has the same
messages under another name; the comments come from the descriptor set that `make generate` writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from importlib.resources import files
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

_V1ALPHA = "grpc.reflection.v1alpha"
_V1 = "grpc.reflection.v1"


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Serve reflection on `server` for `services`, full names, and for itself."""
    v1 = f"{_V1}.ServerReflection"
    _describe_v1()
    servicer = _CommentedReflection([*services, v1, reflection.SERVICE_NAME])
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=ServerReflectionRequest.FromString,
        response_serializer=ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in (v1, reflection.SERVICE_NAME)
        )
    )


class _CommentedReflection(reflection.aio.ReflectionServicer):  # type: ignore[name-defined,misc] # not in the stubs
    """Answers with our files as protoc read them, comments included."""

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__(services)
        described = FileDescriptorSet.FromString(
            files("acs.rooms").joinpath("descriptors.binpb").read_bytes()
        )
        self._files = {file.name: file.SerializeToString() for file in described.file}

    async def ServerReflectionInfo(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[ServerReflectionRequest], context: Any
    ) -> AsyncIterator[ServerReflectionResponse]:
        async for response in super().ServerReflectionInfo(request_iterator, context):
            found = response.file_descriptor_response.file_descriptor_proto
            for index, serialized in enumerate(found):
                name = FileDescriptorProto.FromString(serialized).name
                found[index] = self._files.get(name, serialized)
            yield response

    def _file_containing_symbol(self, request: ServerReflectionRequest, symbol: str) -> Any:
        # Python's pool finds the file of everything but a method.
        with suppress(KeyError):
            method = descriptor_pool.Default().FindMethodByName(symbol)
            symbol = method.containing_service.full_name
        return super()._file_containing_symbol(request, symbol)


def _describe_v1() -> None:
    """Put the description of v1 into the pool, so that tools can describe it too."""
    alpha = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    text = json_format.MessageToJson(alpha)
    for old, new in ((_V1ALPHA, _V1), ("reflection/v1alpha", "reflection/v1")):
        text = text.replace(old, new)
    descriptor_pool.Default().Add(json_format.Parse(text, FileDescriptorProto()))
