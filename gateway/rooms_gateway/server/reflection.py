"""Server reflection, v1 and v1alpha, with the comments of the protos.

Files come from the descriptor set that `make generate` writes, in a separate pool: the set contains
all imports, `buf/validate/validate.proto` included, which the default pool lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from importlib.resources import files
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import (
    ErrorResponse,
    ExtensionNumberResponse,
    FileDescriptorResponse,
    ListServiceResponse,
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)

from rooms_gateway.call import Context
from rooms_gateway.errors import OverloadedError, StreamStalledError
from rooms_gateway.server.admission import Admission, host_of
from rooms_gateway.server.calls.messages import send_messages

_V1ALPHA = "grpc.reflection.v1alpha"
_V1 = "grpc.reflection.v1"


def add_reflection(server: grpc.aio.Server, services: Iterable[str], admission: Admission) -> None:
    """Add reflection to `server`: for `services`, given by full name, and for itself."""
    names = [f"{package}.ServerReflection" for package in (_V1, _V1ALPHA)]
    handler: Any = grpc.stream_stream_rpc_method_handler(
        ReflectionServicer([*services, *names], admission).ServerReflectionInfo,
        request_deserializer=ServerReflectionRequest.FromString,
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})
            for name in names
        )
    )


class ReflectionServicer:
    """Responds to reflection requests.

    The servicer of grpcio-reflection drops comments and serializes all files for each response.
    """

    def __init__(self, services: Iterable[str], admission: Admission) -> None:
        """Describe `services`, given by full name, and all files of the contract."""
        self._streams = admission.reflection
        self._stall_timeout = admission.write_stall_timeout
        self._pool = DescriptorPool()
        self._files: dict[str, FileDescriptorProto] = {}
        self._serialized: dict[str, bytes] = {}
        """Responses with a file and its imports, by name of the file."""
        for file in _described_files():
            self._pool.Add(file)
            self._files[file.name] = file
        self._listed = ServerReflectionResponse(
            list_services_response=ListServiceResponse(
                service=[ServiceResponse(name=name) for name in sorted(services)]
            )
        ).SerializeToString()

    async def ServerReflectionInfo(self, _: object, context: Context) -> None:  # noqa: N802 - the contract's name
        """Respond to the requests of a stream.

        RESOURCE_EXHAUSTED if there are too many streams, ABORTED if a stream stays idle.
        """
        try:
            with self._streams.slot(host_of(context.peer())):
                await self._serve(context)
        except OverloadedError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))

    async def _serve(self, context: Context) -> None:
        # Without it, grpc could send no status while the first response is unread.
        await context.send_initial_metadata(())
        try:
            await send_messages(
                self._responses(context), context, self._stall_timeout, lambda: None
            )
        except TimeoutError:
            await context.abort(grpc.StatusCode.ABORTED, "the stream was idle for too long")
        except StreamStalledError as error:
            # Ends when grpc can send the status. Until then it keeps the unread response, and the
            # stream its slot.
            await context.abort(grpc.StatusCode.ABORTED, str(error))

    async def _responses(self, context: Context) -> AsyncGenerator[bytes, None]:
        """Yield the response to each request. Raises TimeoutError if there is none for too long."""
        while True:
            async with asyncio.timeout(self._stall_timeout):
                request = await context.read()
            if request is grpc.aio.EOF:
                return
            yield self.respond(request)

    def respond(self, request: ServerReflectionRequest) -> bytes:
        """Return the serialized response to `request`."""
        try:
            found = self._find(request)
        except KeyError:
            found = _error(grpc.StatusCode.NOT_FOUND)
        # Serialized messages merge by concatenation.
        return ServerReflectionResponse(original_request=request).SerializeToString() + found

    def _find(self, request: ServerReflectionRequest) -> bytes:
        """Return the response without the fields that repeat `request`. Raises KeyError."""
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            return self._listed
        if kind == "file_by_filename":
            return self._file(request.file_by_filename)
        if kind == "file_containing_symbol":
            return self._file_of(request.file_containing_symbol)
        if kind == "file_containing_extension":
            wanted = request.file_containing_extension
            extended = self._pool.FindMessageTypeByName(wanted.containing_type)
            extension = self._pool.FindExtensionByNumber(extended, wanted.extension_number)
            return self._file_of(extension.full_name)
        if kind == "all_extension_numbers_of_type":
            extended = self._pool.FindMessageTypeByName(request.all_extension_numbers_of_type)
            numbers = sorted(each.number for each in self._pool.FindAllExtensions(extended))
            return ServerReflectionResponse(
                all_extension_numbers_response=ExtensionNumberResponse(
                    base_type_name=extended.full_name, extension_number=numbers
                )
            ).SerializeToString()
        return _error(grpc.StatusCode.INVALID_ARGUMENT)

    def _file_of(self, symbol: str) -> bytes:
        # DescriptorPool.FindFileContainingSymbol does not find methods.
        with suppress(KeyError):
            symbol = self._pool.FindMethodByName(symbol).containing_service.full_name
        return self._file(self._pool.FindFileContainingSymbol(symbol).name)

    def _file(self, name: str) -> bytes:
        response = self._serialized.get(name)
        if response is None:
            described: dict[str, FileDescriptorProto] = {}
            self._add_with_imports(name, described)
            response = self._serialized[name] = ServerReflectionResponse(
                file_descriptor_response=FileDescriptorResponse(
                    file_descriptor_proto=[file.SerializeToString() for file in described.values()]
                )
            ).SerializeToString()
        return response

    def _add_with_imports(self, name: str, described: dict[str, FileDescriptorProto]) -> None:
        if name not in described:
            described[name] = self._files[name]
            for imported in described[name].dependency:
                self._add_with_imports(imported, described)


def _error(code: grpc.StatusCode) -> bytes:
    number, text = code.value
    return ServerReflectionResponse(
        error_response=ErrorResponse(error_code=number, error_message=text)
    ).SerializeToString()


def _described_files() -> list[FileDescriptorProto]:
    """Return the files of the contract, of health and of reflection, each after its imports."""
    contract = files("acs").joinpath("descriptors.binpb").read_bytes()
    health, v1alpha = FileDescriptorProto(), FileDescriptorProto()
    health_pb2.DESCRIPTOR.CopyToProto(health)
    reflection_pb2.DESCRIPTOR.CopyToProto(v1alpha)
    return [*FileDescriptorSet.FromString(contract).file, health, v1alpha, _as_v1(v1alpha)]


def _as_v1(v1alpha: FileDescriptorProto) -> FileDescriptorProto:
    """Derive the file of v1, which grpcio-reflection lacks; it has the messages of v1alpha."""
    text = json_format.MessageToJson(v1alpha)
    for old, new in ((_V1ALPHA, _V1), ("reflection/v1alpha", "reflection/v1")):
        text = text.replace(old, new)
    return json_format.Parse(text, FileDescriptorProto())
