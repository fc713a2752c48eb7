"""Server reflection, v1 and v1alpha, with the comments of the protos.

Files come from the descriptor set that `make generate` writes, in a separate pool: the set contains
all imports, `buf/validate/validate.proto` included, which the default pool lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.resources import files

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

_V1ALPHA = "grpc.reflection.v1alpha"
_V1 = "grpc.reflection.v1"


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Add reflection to `server`: for `services`, given by full name, and for itself."""
    v1 = f"{_V1}.ServerReflection"
    servicer = reflection.aio.ReflectionServicer(
        [*services, v1, reflection.SERVICE_NAME], pool=_CommentedPool(_described_files())
    )
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


class _CommentedFile:
    """A file with its comments, which `FileDescriptor` drops."""

    def __init__(self, file: FileDescriptorProto, dependencies: Sequence[_CommentedFile]) -> None:
        self.name = file.name
        self.dependencies = dependencies
        self._file = file

    def CopyToProto(self, proto: FileDescriptorProto) -> None:  # noqa: N802 - FileDescriptor's name
        """Copy the file into `proto`."""
        proto.CopyFrom(self._file)


class _CommentedPool:
    """The methods of a descriptor pool that grpcio-reflection calls, with commented files."""

    def __init__(self, described: Iterable[FileDescriptorProto]) -> None:
        """Build the pool of `described`, which has each file after its imports."""
        self._pool = DescriptorPool()
        self._files: dict[str, _CommentedFile] = {}
        for file in described:
            self._pool.Add(file)
            dependencies = [self._files[name] for name in file.dependency]
            self._files[file.name] = _CommentedFile(file, dependencies)
        self.FindFileByName = self._files.__getitem__
        self.FindMessageTypeByName = self._pool.FindMessageTypeByName
        self.FindExtensionByNumber = self._pool.FindExtensionByNumber
        self.FindAllExtensions = self._pool.FindAllExtensions

    def FindFileContainingSymbol(self, symbol: str) -> _CommentedFile:  # noqa: N802 - DescriptorPool's name
        """Return the file that defines `symbol`. Raises KeyError if no file does."""
        # DescriptorPool.FindFileContainingSymbol does not find methods.
        with suppress(KeyError):
            symbol = self._pool.FindMethodByName(symbol).containing_service.full_name
        return self._files[self._pool.FindFileContainingSymbol(symbol).name]
