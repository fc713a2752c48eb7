"""Protobuf messages as text that may be logged: what the protos call `debug_redact` is left out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

REDACTED = "[REDACTED]"

MAX_TEXT = 2000
"""Characters of the text; the largest request, with 700 people, would have twenty times that."""


def redacted(message: Message) -> str:
    """Return `message` on one line, with `[REDACTED]` for each field that is `debug_redact`.

    At any depth: in lists and maps too. Strings are escaped, so that nobody can write a line of
    their own, and the text ends with … where it is cut.
    """
    size = 0
    parts = []
    for part in _fields(message):
        size += len(part) + 1
        if size > MAX_TEXT:
            parts.append("…")
            break
        parts.append(part)
    return " ".join(parts)


def _fields(message: Message) -> Iterator[str]:
    """Yield the text of a message in small pieces, so that a large one need not be made whole."""
    for field, value in message.ListFields():
        name = field.name
        if _is_redacted(field):
            # Not even how many there are: that is the same for one value and for a list.
            yield f"{name}: {REDACTED}"
        elif _is_map(field):
            yield from _entries(field, value)
        elif field.is_repeated:
            for item in value:
                yield from _field(field, item)
        else:
            yield from _field(field, value)


def _entries(field: FieldDescriptor, entries: Any) -> Iterator[str]:
    types = _entry(field).fields_by_name
    for key in entries:
        yield f"{field.name} {{ key: {_scalar(types['key'], key)}"
        yield from _field(types["value"], entries[key])
        yield "}"


def _field(field: FieldDescriptor, value: Any) -> Iterator[str]:
    if field.message_type is None:
        yield f"{field.name}: {_scalar(field, value)}"
        return
    yield f"{field.name} {{"
    yield from _fields(value)
    yield "}"


def _scalar(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, str):
        # ascii, so that neither control characters nor look-alikes get through.
        return ascii(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _is_redacted(field: FieldDescriptor) -> bool:
    # What is packed into an Any has fields of its own, which nothing here can tell apart.
    packed = field.full_name == "google.protobuf.Any.value"
    return packed or bool(field.GetOptions().debug_redact)


@cache
def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)


def _entry(field: FieldDescriptor) -> Descriptor:
    if field.message_type is None:
        raise TypeError(f"{field.full_name} is no map")
    return field.message_type
