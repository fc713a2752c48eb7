"""The rules of shape that stand in the protos, checked. The one place that knows protovalidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protovalidate import Validator

from rooms_gateway.errors import InvalidRequestError, Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from protovalidate import FieldPathPb

_validator = Validator()


def validate(request: Message) -> None:
    """Check `request` against the `buf.validate` rules of its type.

    Raises InvalidRequestError that names every field at fault.
    """
    found = _validator.collect_violations(request)
    if found:
        raise InvalidRequestError(
            *(Violation(_path(item.proto.field), item.proto.message) for item in found)
        )


def _path(field: FieldPathPb | None) -> str:
    """Write a field path as callers do: `participants[3].raw_id`. Empty for the whole message."""
    names = []
    for element in field.elements if field else ():
        subscript = f"[{element.subscript.value}]" if element.subscript else ""
        names.append(f"{element.field_name}{subscript}")
    return ".".join(names)
