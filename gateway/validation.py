"""The rules of shape that stand in the protos, checked. The one place that knows protovalidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protovalidate import Validator

from gateway.errors import RequestInvalid, Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from protovalidate import FieldPathPb

_validator = Validator()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a request whose bytes are no message of its type."""

    type_name: str


def validate(request: Message | Unreadable) -> None:
    """Check `request` against the `buf.validate` rules of its type.

    Raises RequestInvalid that names every field at fault.
    """
    if isinstance(request, Unreadable):
        text = f"the request is no {request.type_name}: is the client's proto that of this gateway?"
        raise RequestInvalid(Violation("", text))
    found = _validator.collect_violations(request)
    if found:
        raise RequestInvalid(
            *(Violation(_path(item.proto.field), item.proto.message) for item in found)
        )


def _path(field: FieldPathPb | None) -> str:
    """Write a field path as callers do: `participants[3].raw_id`. Empty for the whole message."""
    names = []
    for element in field.elements if field else ():
        subscript = f"[{element.subscript.value}]" if element.subscript else ""
        names.append(f"{element.field_name}{subscript}")
    return ".".join(names)
