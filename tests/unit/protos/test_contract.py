"""Rules for the whole contract, which buf lint does not have."""

from __future__ import annotations

import re

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from support.contract import FILES, MESSAGES, METHODS
from support.paths import ROOT

MODULE = "github.com/rooms-gateway/rooms-gateway/generated/go"
PREFIXES = {
    "acs.rooms.v1": "RGW",
    "acs.rooms.debug.v1": "RGWD",
    "acs.rooms.legacy.v1": "RGWL",
    "acs.options.v1": "RGWO",
    "acs.identity.v1": "RGWI",
}

FIELDS = [field for message in MESSAGES for field in message.fields]


def text_of(file: FileDescriptor) -> str:
    return (ROOT / "protos" / file.name).read_text("utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_options_of_each_language(file: FileDescriptor) -> None:
    described = FileDescriptorProto()
    file.CopyToProto(described)
    options, parts = described.options, file.package.split(".")
    names = [part.capitalize() for part in parts]
    path, _, alias = options.go_package.partition(";")
    assert path == f"{MODULE}/{file.package.replace('.', '/')}"
    assert alias == "".join(parts[1:])
    assert options.java_package == f"io.github.roomsgateway.{file.package}"
    assert options.java_multiple_files
    assert options.csharp_namespace == ".".join(names)
    assert options.ruby_package == "::".join(names)
    assert options.php_namespace == "\\".join(names)
    assert options.objc_class_prefix == PREFIXES[file.package]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_services_and_messages_are_in_separate_files(file: FileDescriptor) -> None:
    has_service = bool(file.services_by_name)
    assert has_service == file.name.endswith("_service.proto")
    assert not (has_service and (file.message_types_by_name or file.enum_types_by_name))


def test_room_ids_have_one_rule() -> None:
    rules = {field.GetOptions().SerializeToString() for field in FIELDS if field.name == "room_id"}
    assert len(rules) == 1
    assert b"^[A-Za-z0-9_-]{1,64}$" in rules.pop()


def test_one_name_has_one_type() -> None:
    types: dict[str, set[tuple[str, bool]]] = {}
    for field in FIELDS:
        kind = field.message_type or field.enum_type
        types.setdefault(field.name, set()).add(
            (kind.full_name if kind else str(field.type), field.is_repeated)
        )
    # The legacy service has a room with a roster. The items of bulk streams have the messages of
    # their unary RPC.
    several = {name for name, found in types.items() if len(found) > 1}
    assert several <= {"room", "request", "response"}


def test_participants_have_the_same_fields() -> None:
    names = {
        field.name
        for method in METHODS
        for field in method.input_type.fields
        if field.message_type is not None
        and field.message_type.name in {"Participant", "CommunicationIdentifier"}
    }
    assert names == {"participants", "remove_identifiers", "identifier"}


def test_old_compilers_parse_all_options() -> None:
    for file in FILES:
        assert not re.search(r"debug_redact\s*=|^edition", text_of(file), re.MULTILINE)
