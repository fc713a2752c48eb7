"""Server reflection describes services, rules and error details, with comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)
from support.commands import run
from support.gateways import Running, collect, gateway_for
from support.paths import ROOT
from support.tools import GRPCURL

from rooms_emulator import Emulator

VERSIONS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]

SERVICES = [
    "acs.identity.v1.IdentityService",
    "acs.rooms.v1.JoinService",
    "acs.rooms.v1.ParticipantsService",
    "acs.rooms.v1.RoomsService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]

DETAILS = [
    f"google.rpc.{name}"
    for name in ("ErrorInfo", "RequestInfo", "BadRequest", "RetryInfo", "ResourceInfo", "Status")
]

in_both_versions = pytest.mark.parametrize("version", VERSIONS)


def described(response: ServerReflectionResponse) -> dict[str, FileDescriptorProto]:
    assert not response.HasField("error_response"), response.error_response.error_message
    found = response.file_descriptor_response.file_descriptor_proto
    files = [FileDescriptorProto.FromString(each) for each in found]
    return {file.name: file for file in files}


async def reflect(
    channel: grpc.aio.Channel, version: str, *requests: ServerReflectionRequest
) -> list[ServerReflectionResponse]:
    """Send the requests in one stream, to `version` with the messages of v1alpha."""
    method: Any = channel.stream_stream(
        f"/{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    return await collect(method(iter(requests)))


async def files_with(
    channel: grpc.aio.Channel, version: str, symbol: str
) -> dict[str, FileDescriptorProto]:
    [response] = await reflect(
        channel, version, ServerReflectionRequest(file_containing_symbol=symbol)
    )
    return described(response)


def pool_of(files: Iterable[FileDescriptorProto]) -> DescriptorPool:
    """Build the descriptor pool that a tool builds from the responses."""
    pool, left = DescriptorPool(), list(files)
    known: set[str] = set()
    while left:
        file = next(each for each in left if known.issuperset(each.dependency))
        pool.Add(file)
        known.add(file.name)
        left.remove(file)
    return pool


@in_both_versions
async def test_every_service_is_listed(running: Running, version: str) -> None:
    [response] = await reflect(running.channel, version, ServerReflectionRequest(list_services=""))
    assert sorted(each.name for each in response.list_services_response.service) == SERVICES


@in_both_versions
@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_is_described_completely(
    running: Running, version: str, service: str
) -> None:
    pool = pool_of((await files_with(running.channel, version, service)).values())
    described = pool.FindServiceByName(service)
    assert described.methods
    for method in described.methods:
        assert method.input_type.full_name
        assert method.output_type.full_name


@in_both_versions
@pytest.mark.parametrize("name", DETAILS)
async def test_error_details_can_be_described(running: Running, version: str, name: str) -> None:
    pool = pool_of((await files_with(running.channel, version, name)).values())
    assert pool.FindMessageTypeByName(name).fields


@in_both_versions
async def test_the_reasons_of_errors_can_be_described(running: Running, version: str) -> None:
    files = await files_with(running.channel, version, "acs.rooms.v1.ErrorReason")
    pool = pool_of(files.values())
    assert (
        "ERROR_REASON_THROTTLED"
        in pool.FindEnumTypeByName("acs.rooms.v1.ErrorReason").values_by_name
    )


@in_both_versions
@pytest.mark.parametrize(
    ("symbol", "file", "comment"),
    [
        ("acs.rooms.v1.RoomsService", "rooms_service.proto", " CreateRoom creates a room,"),
        ("acs.rooms.v1.ParticipantsService", "participants.proto", " raw_id is the communication"),
        (
            "acs.rooms.v1.ErrorReason",
            "error_reason.proto",
            " ERROR_REASON_THROTTLED: the Rooms service",
        ),
    ],
)
async def test_files_include_their_comments(
    running: Running, version: str, symbol: str, file: str, comment: str
) -> None:
    files = await files_with(running.channel, version, symbol)
    locations = files[f"acs/rooms/v1/{file}"].source_code_info.location
    assert any(location.leading_comments.startswith(comment) for location in locations)


@in_both_versions
@pytest.mark.parametrize("options", ["MessageOptions", "OneofOptions", "FieldOptions"])
async def test_rules_can_be_described(running: Running, version: str, options: str) -> None:
    """Tools can decode the `buf.validate` options of the gateway's files."""
    type_name = f"google.protobuf.{options}"
    extension = ExtensionRequest(containing_type=type_name, extension_number=1159)
    numbers, found = await reflect(
        running.channel,
        version,
        ServerReflectionRequest(all_extension_numbers_of_type=type_name),
        ServerReflectionRequest(file_containing_extension=extension),
    )
    assert 1159 in numbers.all_extension_numbers_response.extension_number
    files = described(found)
    assert next(iter(files)) == "buf/validate/validate.proto"
    assert pool_of(files.values()).FindMessageTypeByName("buf.validate.FieldRules").fields


@in_both_versions
@pytest.mark.parametrize(
    "symbol",
    [
        "acs.rooms.v1.RoomsService.CreateRoom",
        "acs.rooms.v1.Room.id",
        "acs.rooms.v1.ErrorReason",
        "acs.rooms.v1.PARTICIPANT_ROLE_PRESENTER",
    ],
)
async def test_file_is_found_by_method_field_or_enum(
    running: Running, version: str, symbol: str
) -> None:
    files = await files_with(running.channel, version, symbol)
    assert next(iter(files)).startswith("acs/rooms/v1/")


@in_both_versions
async def test_unknown_symbol_does_not_end_the_stream(running: Running, version: str) -> None:
    unknown, known = await reflect(
        running.channel,
        version,
        ServerReflectionRequest(file_containing_symbol="acs.rooms.v1.RoomsService.NoSuch"),
        ServerReflectionRequest(file_by_filename="acs/rooms/v1/rooms.proto"),
    )
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert known.file_descriptor_response.file_descriptor_proto


@pytest.mark.proves("S16")
@in_both_versions
async def test_reflection_can_be_switched_off(emulator: Emulator, version: str) -> None:
    async with gateway_for(emulator, reflection=False) as running:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await reflect(running.channel, version, ServerReflectionRequest(list_services=""))
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.needs("grpcurl")
async def test_the_descriptor_set_replaces_reflection(emulator: Emulator) -> None:
    """`grpcurl -protoset` with the file of the package decodes calls and the details of errors."""
    async with gateway_for(emulator, reflection=False) as running:
        done = await run(
            "-plaintext",
            "-protoset",
            str(ROOT / "generated/python/acs/descriptors.binpb"),
            "-d",
            '{"room_id": "a/b"}',
            running.gateway.addresses[0],
            "acs.rooms.v1.RoomsService/GetRoom",
            program=str(GRPCURL),
        )
    assert '"@type": "type.googleapis.com/google.rpc.ErrorInfo"' in done.err
    assert '"reason": "ERROR_REASON_REQUEST_INVALID"' in done.err
