"""Validates requests by the `buf.validate` rules of the protos. Only this imports protovalidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protovalidate import Validator

from rooms_gateway.errors import InvalidRequestError, Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from protovalidate import FieldPathPb

_validator = Validator()


def validate(request: Message) -> None:
    """Raise InvalidRequestError, with all violations, if `request` breaks a rule of its type."""
    violations = _validator.collect_violations(request)
    if violations:
        raise InvalidRequestError(
            *(Violation(_path(each.proto.field), each.proto.message) for each in violations)
        )


def _path(field: FieldPathPb | None) -> str:
    """Return a field path such as `participants[3].raw_id`; empty for the whole message."""
    names = []
    for element in field.elements if field else ():
        subscript = f"[{element.subscript.value}]" if element.subscript else ""
        names.append(f"{element.field_name}{subscript}")
    return ".".join(names)
