"""Descriptors of the whole contract, so that tests over it include what is added later."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

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


def repeated_fields(
    message: Descriptor, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    """Yield the repeated fields of `message` and of the messages in its other fields, by path."""
    for field in message.fields:
        below = (*path, field.name)
        if field.is_repeated:
            yield below, field
        elif field.message_type is not None:
            yield from repeated_fields(field.message_type, below)


def filled(message: Descriptor, path: tuple[str, ...], count: int) -> Message:
    """Return a message with `count` empty items, of two bytes each, in its field at `path`."""
    whole = GetMessageClass(message)()
    items: Any = whole
    field = None
    for name in path:
        field = items.DESCRIPTOR.fields_by_name[name]
        items = getattr(items, name)
    if hasattr(items, "add"):
        for _ in range(count):
            items.add()
    elif field is not None and field.enum_type is not None:
        # Packed: one byte each.
        items.extend([0] * 2 * count)
    else:
        items.extend([""] * count)
    return whole
