"""The usual form of a request type: simple tests that no request with a violation passes.

They are compiled from the `buf.validate` rules of the type, as far as these are of a few simple
kinds. Any other rule makes requests that it applies to unusual: protovalidate checks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, methodcaller, not_
from typing import Any, cast

from acs.rooms.v1.participants_pb2 import Participant
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

# Field numbers of buf/validate/validate.proto, which is stable.
_EXTENSION = 1159
_STRING, _ENUM, _REPEATED, _REQUIRED, _IGNORE, _CEL = 14, 16, 18, 25, 27, 3
_MIN_LEN, _MAX_LEN, _PATTERN, _UUID = 2, 3, 6, 22
_DEFINED_ONLY = 2
_MIN_ITEMS, _MAX_ITEMS, _ITEMS = 1, 2, 4
_IF_ZERO_VALUE = 1
_EXPRESSION = 3

_PORTABLE = re.compile(r"\^\[[A-Za-z0-9_-]+\]\{\d+,\d+\}\$")
"""Patterns with the same meaning in RE2 and Python, if they match a whole text."""

_HEX_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ANY_FIELD = re.compile(r"(?:^| \|\| )(?:has\(this\.(\w+)\)|this\.(\w+)\.size\(\) > 0)(?=$| \|\| )")
"""One of the terms of a CEL expression that requires one field of several."""

Accept = Callable[[Any], object]
"""Returns a true value only for a value that breaks no rule."""


@dataclass(frozen=True, slots=True)
class UsualForm:
    """The tests of one request type."""

    checks: tuple[tuple[Callable[[Message], Any], Accept], ...]
    """How to read a value from a request, and its test; implemented in C, so that no call of a
    Python function is needed for a text."""
    participants: range | None
    """Accepted lengths of the list `participants`, which no check reads; None if there is none."""


class _UnknownRuleError(Exception):
    """A rule is of another kind."""


_Rules = dict[int, list[Any]]
"""Values of a message by field number, in order."""


def usual_form(request_type: type[Message]) -> UsualForm | None:
    """Compile the tests of a request type; None if all its requests are unusual."""
    request = cast("Descriptor", request_type.DESCRIPTOR)
    participants = request.fields_by_name.get("participants")
    if participants is not None and participants.message_type is not Participant.DESCRIPTOR:
        participants = None
    try:
        checks = _checks(request, except_for=participants)
        lengths = None if participants is None else _lengths(_rules_of(participants))
    except _UnknownRuleError:
        return None
    return UsualForm(tuple(checks), lengths)


def _checks(
    message: Descriptor, except_for: FieldDescriptor | None = None
) -> list[tuple[Callable[[Message], Any], Accept]]:
    checks: list[tuple[Callable[[Message], Any], Accept]] = [
        (methodcaller("ListFields"), _any_field(_fields(rule)))
        for rule in _known(_rules_of(message), _CEL).get(_CEL, ())
    ]
    for oneof in message.oneofs:
        _known(_rules_of(oneof))
    for field in message.fields:
        if field is except_for:
            continue
        if field.message_type is not None and not field.is_repeated:
            if _rules_of(field) or _rules_in(field.message_type):
                # Rules do not apply to an unset field, unless it is required.
                if _REQUIRED in _rules_of(field):
                    raise _UnknownRuleError
                checks.append((methodcaller("HasField", field.name), not_))
            continue
        accept = _accept_list(field) if field.is_repeated else _accept_scalar(field)
        if accept is not None:
            checks.append((attrgetter(field.name), accept))
    return checks


def _accept_scalar(field: FieldDescriptor) -> Accept | None:
    rules = _rules_of(field)
    if field.enum_type is not None and rules:
        options = _known(_merged(_known(rules, _ENUM), _ENUM), _DEFINED_ONLY)
        return frozenset(field.enum_type.values_by_number).__contains__ if options else None
    return _accept_text(rules) if rules else None


def _accept_text(rules: _Rules) -> Accept:
    """Return the test for a text: a pattern for the whole of it."""
    texts = _merged(_known(rules, _STRING, _IGNORE), _STRING)
    if texts.keys() == {_UUID}:
        pattern = _HEX_UUID
    elif texts.keys() == {_PATTERN}:
        pattern = texts[_PATTERN][-1].decode()
        if not _PORTABLE.fullmatch(pattern):
            raise _UnknownRuleError
    else:
        _known(texts, _MIN_LEN, _MAX_LEN)
        least, most = texts.get(_MIN_LEN, [0])[-1], texts.get(_MAX_LEN, [""])[-1]
        pattern = f"(?s:.{{{least},{most}}})"
    optional = rules.get(_IGNORE, [0])[-1] == _IF_ZERO_VALUE
    return re.compile(f"(?:{pattern})?" if optional else pattern).fullmatch


def _accept_list(field: FieldDescriptor) -> Accept | None:
    rules = _rules_of(field)
    lengths = _lengths(rules)
    items = _merged(_merged(rules, _REPEATED), _ITEMS)
    if field.message_type is not None and (items or _rules_in(field.message_type)):
        if 0 not in lengths:
            raise _UnknownRuleError
        return not_
    if not items:
        return lambda values: len(values) in lengths
    accept = _accept_text(items)
    return lambda values: len(values) in lengths and all(map(accept, values))


def _lengths(rules: _Rules) -> range:
    numbers = _known(_merged(_known(rules, _REPEATED), _REPEATED), _MIN_ITEMS, _MAX_ITEMS, _ITEMS)
    if _MAX_ITEMS not in numbers:
        raise _UnknownRuleError
    return range(numbers.get(_MIN_ITEMS, [0])[-1], numbers[_MAX_ITEMS][-1] + 1)


def _any_field(rule: _Rules) -> Accept:
    """Return the test for the set fields of a message with a CEL rule that requires one of some."""
    expression = rule[_EXPRESSION][-1].decode()
    if _ANY_FIELD.sub("", expression):
        raise _UnknownRuleError
    names = {name for pair in _ANY_FIELD.findall(expression) for name in pair if name}
    return lambda found: any(field.name in names for field, _ in found)


def _rules_in(message: Descriptor) -> bool:
    """Return whether a message has a rule, or one in it."""
    parts = (message, *message.oneofs, *message.fields)
    types = [field.message_type for field in message.fields]
    return any(map(_rules_of, parts)) or any(type_ and _rules_in(type_) for type_ in types)


def _rules_of(part: Any) -> _Rules:
    """Return the rules in the options of a message, oneof or field."""
    return _merged(_fields(part.GetOptions().SerializeToString()), _EXTENSION)


def _fields(data: bytes) -> _Rules:
    # As a type to which all fields are unknown, even if a distribution defines those of rules.
    found = UnknownFieldSet(Empty.FromString(data))
    fields: _Rules = {}
    for index in range(len(found)):
        fields.setdefault(found[index].field_number, []).append(found[index].data)
    return fields


def _merged(fields: _Rules, number: int) -> _Rules:
    """Return the message in a field; its parts may have been set one by one."""
    return _fields(b"".join(fields.get(number, ())))


def _known(rules: _Rules, *numbers: int) -> _Rules:
    """Return `rules`. Raises _UnknownRuleError if there are others than `numbers`."""
    if not rules.keys() <= {*numbers}:
        raise _UnknownRuleError
    return rules
