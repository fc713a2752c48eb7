"""Checks requests against the `buf.validate` rules of the protos.

A request of the usual form of its type breaks no rule. protovalidate checks all others, which costs
several times as much.

protovalidate reads the rules from the serialized descriptor of a message, where they are options.
No module of `buf.validate` is imported, so that it makes no difference whether another distribution
installs one, and in which version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protovalidate import Validator

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.server.calls.usual_form import UsualForm, usual_form
from rooms_gateway.services.convert.participants import usual_roster

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from protovalidate import FieldPathPb

    from rooms_gateway.upstream.models import Roster

MAX_ITEMS = 3 * 350
"""Items in the repeated fields of the largest valid request, an UpdateParticipantsRequest."""

_validator = Validator()
_usual_forms: dict[type[Message], UsualForm | None] = {}


def compile_rules(request_type: type[Message]) -> None:
    """Compile the rules of a message type. Its first request would take 1 to 10 ms longer."""
    _validator.collect_violations(request_type())
    _usual_forms[request_type] = usual_form(request_type)


def validate(request: Any) -> Roster | None:
    """Check `request` against the `buf.validate` rules of its type.

    Returns the roster of its participants if they were converted on the way. Raises
    InvalidRequestError with every field that breaks a rule.
    """
    form = _usual_forms.get(type(request))
    if form is not None:
        for read, accept in form.checks:
            if not accept(read(request)):
                break
        else:
            if form.participants is None:
                return None
            participants = request.participants
            if len(participants) in form.participants:
                roster = usual_roster(participants)
                if roster is not None:
                    return roster
    _collect_violations(request)
    return None


def _collect_violations(request: Message) -> None:
    # Counted first: for the rules, an empty item of two bytes costs up to a kilobyte and 20 µs.
    if request.ByteSize() > MAX_ITEMS and _items(request) > MAX_ITEMS:
        raise InvalidRequestError(
            Violation("", f"a request must contain no more than {MAX_ITEMS} items in all its lists")
        )
    found = _validator.collect_violations(request)
    if found:
        raise InvalidRequestError(
            *(Violation(_path(each.proto.field), each.proto.message) for each in found)
        )


def _items(message: Message) -> int:
    """Count the items in the repeated fields of `message` and of the messages in its others."""
    count = 0
    for field, value in message.ListFields():
        if field.is_repeated:
            count += len(value)
        elif field.message_type is not None:
            count += _items(value)
    return count


def _path(field: FieldPathPb | None) -> str:
    """Return a path such as `participants[3].raw_id`; empty for a rule on the whole message."""
    names = []
    for element in field.elements if field else ():
        subscript = f"[{element.subscript.value}]" if element.subscript else ""
        names.append(f"{element.field_name}{subscript}")
    return ".".join(names)
