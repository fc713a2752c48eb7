"""Protobuf messages as text for logs, without the fields that are marked `sensitive`."""

from __future__ import annotations

from functools import cache
from typing import Any

from acs.options.v1.redaction_pb2 import sensitive
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

REDACTED = "[REDACTED]"

MAX_TEXT = 2000
"""Maximum length of the text; a request with 700 participants would have 40,000 characters."""

_MAX_VALUES = MAX_TEXT // 5
"""Values after which the text is full: each has at least 5 characters, as in `a: 1 `."""


def redacted(message: Message) -> str:
    """Return `message` on one line, with `[REDACTED]` for each marked text.

    Marked values of other types are cleared, as are unknown fields and the content of `Any`.
    Strings are escaped, so that a value cannot start a new line. A text above MAX_TEXT characters
    is cut and ends with `…`.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    _redact(copy, _MAX_VALUES)
    text = text_format.MessageToString(copy, as_one_line=True, as_utf8=False)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _redact(message: Message, left: int) -> int:
    """Redact up to `left` values of `message` and clear the others; return the values left."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        # text_format would unpack the message in it and print all fields.
        message.Clear()
    for field, value in message.ListFields():
        if _is_marked(field):
            _mask(message, field)
        elif left <= 0:
            message.ClearField(field.name)
        elif field.is_repeated:
            left = _redact_items(field.message_type, value, left)
        elif field.message_type is not None:
            left = _redact(value, left - 1)
        else:
            if isinstance(value, str | bytes):
                setattr(message, field.name, value[:MAX_TEXT])
            left -= 1
    return left


def _redact_items(item_type: Descriptor | None, items: Any, left: int) -> int:
    """Redact up to `left` items of a list or map and delete the others; return the values left."""
    if item_type is not None and item_type.GetOptions().map_entry:
        keys = sorted(items)  # the order in which text_format prints them
        for key in keys[left:]:
            del items[key]
        item_type = item_type.fields_by_name["value"].message_type
        values = [items[key] for key in keys[:left]]
    else:
        del items[left:]
        values = items
    if item_type is None:
        return left - len(items)
    for value in values:
        left = _redact(value, left - 1)
    return left


def _mask(message: Message, field: FieldDescriptor) -> None:
    """Clear a field; set it to REDACTED if it is a text, and to one if it is a list of them."""
    message.ClearField(field.name)
    if field.type == FieldDescriptor.TYPE_STRING:
        if field.is_repeated:
            getattr(message, field.name).append(REDACTED)
        else:
            setattr(message, field.name, REDACTED)


@cache
def _is_marked(field: FieldDescriptor) -> bool:
    return field.GetOptions().Extensions[sensitive]
