"""Descriptors of the whole contract, so that tests over it include what is added later."""

from __future__ import annotations

from importlib import import_module

from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

from support.paths import ROOT

_GENERATED = ROOT / "generated/python"

FILES: list[FileDescriptor] = [
    import_module(".".join(path.relative_to(_GENERATED).with_suffix("").parts)).DESCRIPTOR
    for path in sorted(_GENERATED.rglob("acs/**/*_pb2.py"))
]
METHODS: list[MethodDescriptor] = [
    method
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
]
MESSAGES: list[Descriptor] = [
    message for file in FILES for message in file.message_types_by_name.values()
]
