"""The API reference: one page for each proto package, from the comments and rules of the protos."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message
from reference_markdown import ENUM, MEMBER, MESSAGE, ONEOF, SERVICE, Source, table
from validation_rules import RuleReader

OURS = "acs."

_PREFACE = """\
# API reference

Generated from the comments in `protos/` by `make generate`: change them there.

The rules are checked before anything is sent to the service. A request that breaks one is
INVALID_ARGUMENT with reason REQUEST_INVALID and a `google.rpc.BadRequest` that names the fields.
"""

_SAFE_TO_REPEAT = {
    MethodOptions.NO_SIDE_EFFECTS: "yes, it only reads",
    MethodOptions.IDEMPOTENT: "yes",
    MethodOptions.IDEMPOTENCY_UNKNOWN: "no",
}


def pages(descriptors: FileDescriptorSet) -> dict[str, str]:
    """Return file name to content. Raises ValueError for a rule without words."""
    # protoc puts a file after those that it imports; for a reader the main thing comes first.
    sources = [Source(file) for file in reversed(descriptors.file) if file.package.startswith(OURS)]
    rules = RuleReader(descriptors)
    packages = dict.fromkeys(source.file.package for source in sources)
    return {
        page_of(package): "\n".join(
            [
                _PREFACE,
                *_package(package, [s for s in sources if s.file.package == package], rules),
            ]
        )
        + "\n"
        for package in packages
    }


def page_of(package: str) -> str:
    """Name the page of a package: `api.md` for acs.rooms.v1, `legacy-api.md` for …legacy.v1."""
    _, *middle, _ = package.split(".")
    return "-".join([*(part for part in middle if part != "rooms"), "api.md"])


def _package(package: str, sources: list[Source], rules: RuleReader) -> Iterator[str]:
    yield f"## Package {package}\n"
    messages = {
        f"{package}.{message.name}": list(_message(package, source, index, message, rules))
        for source in sources
        for index, message in enumerate(source.file.message_type)
    }
    for source in sources:
        for index, service in enumerate(source.file.service):
            yield from _service(package, source, index, service, messages)
    yield "### Messages and enums\n"
    for lines in messages.values():
        yield from lines
    for source in sources:
        for index, enum in enumerate(source.file.enum_type):
            yield from _enum(package, source, index, enum)


def _service(
    package: str,
    source: Source,
    index: int,
    service: ServiceDescriptorProto,
    messages: dict[str, list[str]],
) -> Iterator[str]:
    """Yield a service and, taken out of `messages`, what its RPCs take and return."""
    name = f"{package}.{service.name}"
    yield from (_anchor(name), f"### {service.name}\n", source.comment(SERVICE, index), "")
    yield from table(
        ("RPC", "Request", "Response", "Safe to repeat"),
        (
            (
                f"[{method.name}](#{name}.{method.name})",
                _streamed(method.client_streaming) + _link(package, method.input_type),
                _streamed(method.server_streaming) + _link(package, method.output_type),
                _SAFE_TO_REPEAT[method.options.idempotency_level],
            )
            for method in service.method
        ),
    )
    for number, method in enumerate(service.method):
        yield from (_anchor(f"{name}.{method.name}"), f"#### {service.name}.{method.name}\n")
        yield from (source.comment(SERVICE, index, MEMBER, number), "")
        yield from _taken(method, messages)


def _streamed(streams: bool) -> str:  # noqa: FBT001 - as the descriptor has it
    return "stream of " if streams else ""


def _taken(method: MethodDescriptorProto, messages: dict[str, list[str]]) -> Iterator[str]:
    for type_name in (method.input_type, method.output_type):
        yield from messages.pop(type_name.removeprefix("."), [])


def _message(
    package: str, source: Source, index: int, message: DescriptorProto, rules: RuleReader
) -> Iterator[str]:
    yield from (_anchor(f"{package}.{message.name}"), f"#### {message.name}\n")
    yield from (source.comment(MESSAGE, index), "")
    whole = rules.read(message.options)
    _only(whole, "cel")
    yield from (f"Rule: {rule.message}.\n" for rule in whole.cel)
    yield from _choices(source, index, message, rules)
    maps = _maps(package, message)
    yield from table(
        ("Field", "Type", "Rules", "Meaning"),
        (
            (
                f"`{field.name}`",
                maps.get(field.type_name) or _type(package, field),
                "; ".join(_rules(field, rules)),
                source.cell(MESSAGE, index, MEMBER, number),
            )
            for number, field in enumerate(message.field)
        ),
    )


def _choices(
    source: Source, index: int, message: DescriptorProto, rules: RuleReader
) -> Iterator[str]:
    """Yield what the comments and rules of each oneof say; `optional` makes one without a word."""
    for number, oneof in enumerate(message.oneof_decl):
        members = [
            f"`{field.name}`"
            for field in message.field
            if field.HasField("oneof_index")
            and field.oneof_index == number
            and not field.proto3_optional
        ]
        if members:
            choice = rules.read(oneof.options)
            _only(choice, "required")
            some = "Exactly" if choice.required else "At most"
            yield source.comment(MESSAGE, index, ONEOF, number)
            yield f"{some} one of {', '.join(members)}.\n"


def _maps(package: str, message: DescriptorProto) -> dict[str, str]:
    """Return the types of map fields in words; protoc makes a message for each."""
    entries = [nested for nested in message.nested_type if nested.options.map_entry]
    return {
        f".{package}.{message.name}.{entry.name}": f"map of {key} to {value}"
        for entry in entries
        for key, value in [[_type(package, field) for field in entry.field]]
    }


def _enum(package: str, source: Source, index: int, enum: EnumDescriptorProto) -> Iterator[str]:
    yield from (_anchor(f"{package}.{enum.name}"), f"#### {enum.name}\n")
    yield from (source.comment(ENUM, index), "")
    yield from table(
        ("Value", "Number", "Meaning"),
        (
            (f"`{value.name}`", str(value.number), source.cell(ENUM, index, MEMBER, number))
            for number, value in enumerate(enum.value)
        ),
    )


def _anchor(full_name: str) -> str:
    # Headings make anchors of their own, but those would clash between packages.
    return f'<a id="{full_name}"></a>\n'


def _link(package: str, type_name: str) -> str:
    """Link to a type of ours from the page of `package`."""
    full_name = type_name.removeprefix(".")
    there, _, short = full_name.rpartition(".")
    if not full_name.startswith(OURS):
        return f"`{full_name}`"
    return f"[{short}]({'' if there == package else page_of(there)}#{full_name})"


def _type(package: str, field: FieldDescriptorProto) -> str:
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    name = _link(package, field.type_name) if field.type_name else scalar
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _rules(field: FieldDescriptorProto, rules: RuleReader) -> Iterator[str]:
    yield from _words(rules.read(field.options))
    if field.options.debug_redact:
        yield "never logged"


def _words(rules: Any) -> Iterator[str]:
    _only(rules, "ignore", "string", "enum", "repeated")
    _only(rules.string, "min_len", "max_len", "pattern", "uuid")
    _only(rules.enum, "defined_only")
    _only(rules.repeated, "min_items", "max_items", "items")
    ignore = rules.DESCRIPTOR.fields_by_name["ignore"].enum_type.values_by_number[rules.ignore]
    if ignore.name == "IGNORE_IF_ZERO_VALUE":
        yield "may be empty"
    yield from _bounds(rules.string.min_len, rules.string.max_len, "character")
    if rules.string.pattern:
        yield f"matches `{rules.string.pattern}`"
    if rules.string.uuid:
        yield "a UUID"
    if rules.enum.defined_only:
        yield "one of the defined values"
    yield from _bounds(rules.repeated.min_items, rules.repeated.max_items, "item")
    if rules.repeated.HasField("items"):
        yield f"each item: {', '.join(_words(rules.repeated.items))}"


def _only(rules: Message, *names: str) -> None:
    """Refuse a rule that would otherwise be left out without a word."""
    if missing := {field.name for field, _ in rules.ListFields()} - set(names):
        raise ValueError(f"there are no words yet for the rules {sorted(missing)}")


def _bounds(least: int, most: int, unit: str) -> Iterator[str]:
    units = unit if (most or least) == 1 else f"{unit}s"
    if least and most:
        yield f"{least} to {most} {units}"
    elif least:
        yield f"at least {least} {units}"
    elif most:
        yield f"at most {most} {units}"
