"""Write the API reference in Markdown from a descriptor set with source info.

Usage: generate_reference.py DESCRIPTORS.binpb OUT.md
"""

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

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

# Field numbers of descriptor.proto: a path of source info is made of them and of indexes.
_MESSAGE, _ENUM, _SERVICE, _MEMBER = 4, 5, 6, 2


class Source:
    """One file: its comments as Markdown, by the path of what they belong to."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self._comments = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
        }

    def comment(self, *path: int) -> str:
        """Return a comment; what is indented in it keeps its form."""
        lines = [line.removeprefix(" ") for line in self._comments.get(path, "").splitlines()]
        blocks = []
        for indented, group in groupby(lines, key=lambda line: line.startswith("  ")):
            block = "\n".join(group)
            blocks.append(f"\n``text\n{block}\n``\n" if indented else block)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip()

    def cell(self, *path: int) -> str:
        """Return a comment on one line, for a table."""
        return self.comment(*path).replace("\n\n", "<br><br>").replace("\n", " ")


def main(descriptors: Path, out: Path) -> None:
    """Read `descriptors` and write `out`."""
    out.write_text(render(FileDescriptorSet.FromString(descriptors.read_bytes())), encoding="utf-8")


def render(descriptors: FileDescriptorSet) -> str:
    """Return the page for all packages of ours. Raises ValueError for a rule without words."""
    # protoc puts a file after those that it imports; for a reader the main thing comes first.
    sources = [Source(file) for file in reversed(descriptors.file) if file.package.startswith(OURS)]
    lines = [_PREFACE]
    for package in dict.fromkeys(source.file.package for source in sources):
        lines += _package(package, [each for each in sources if each.file.package == package])
    return "\n".join(lines) + "\n"


def _package(package: str, sources: list[Source]) -> Iterator[str]:
    yield f"## Package {package}\n"
    messages = {
        f"{package}.{message.name}": list(_message(package, source, index, message))
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
    yield from (_anchor(name), f"### {service.name}\n", source.comment(_SERVICE, index), "")
    yield from _table(
        ("RPC", "Request", "Response", "Safe to repeat"),
        (
            (
                f"[{method.name}](#{name}.{method.name})",
                ("stream of " if method.client_streaming else "") + _link(method.input_type),
                ("stream of " if method.server_streaming else "") + _link(method.output_type),
                _SAFE_TO_REPEAT[method.options.idempotency_level],
            )
            for method in service.method
        ),
    )
    for number, method in enumerate(service.method):
        yield from (_anchor(f"{name}.{method.name}"), f"#### {service.name}.{method.name}\n")
        yield from (source.comment(_SERVICE, index, _MEMBER, number), "")
        yield from _taken(method, messages)


def _taken(method: MethodDescriptorProto, messages: dict[str, list[str]]) -> Iterator[str]:
    for type_name in (method.input_type, method.output_type):
        yield from messages.pop(type_name.removeprefix("."), [])


def _message(package: str, source: Source, index: int, message: DescriptorProto) -> Iterator[str]:
    yield from (_anchor(f"{package}.{message.name}"), f"#### {message.name}\n")
    yield from (source.comment(_MESSAGE, index), "")
    for _, option in message.options.ListFields():
        if isinstance(option, validate_pb2.MessageRules):
            _only(option, "cel")
            yield from (f"Rule: {rule.message}.\n" for rule in option.cel)
    yield from _table(
        ("Field", "Type", "Rules", "Meaning"),
        (
            (
                f"`{field.name}`",
                _type(field),
                "; ".join(_rules(field)),
                source.cell(_MESSAGE, index, _MEMBER, number),
            )
            for number, field in enumerate(message.field)
        ),
    )


def _enum(package: str, source: Source, index: int, enum: EnumDescriptorProto) -> Iterator[str]:
    yield from (_anchor(f"{package}.{enum.name}"), f"#### {enum.name}\n")
    yield from (source.comment(_ENUM, index), "")
    yield from _table(
        ("Value", "Number", "Meaning"),
        (
            (f"`{value.name}`", str(value.number), source.cell(_ENUM, index, _MEMBER, number))
            for number, value in enumerate(enum.value)
        ),
    )


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    body = [_row(cell.replace("|", r"\|") for cell in row) for row in rows]
    if body:
        names = list(headings)
        yield from (_row(names), _row("---" for _ in names), *body, "")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _anchor(full_name: str) -> str:
    # Headings make anchors of their own, but those would clash between packages.
    return f'<a id="{full_name}"></a>\n'


def _link(type_name: str) -> str:
    full_name = type_name.removeprefix(".")
    short = full_name.rpartition(".")[2]
    return f"[{short}](#{full_name})" if full_name.startswith(OURS) else f"`{full_name}`"


def _type(field: FieldDescriptorProto) -> str:
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    name = _link(field.type_name) if field.type_name else scalar
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _rules(field: FieldDescriptorProto) -> Iterator[str]:
    yield from _words(field.options.Extensions[validate_pb2.field])
    if field.options.debug_redact:
        yield "never logged"


def _words(rules: validate_pb2.FieldRules) -> Iterator[str]:
    _only(rules, "ignore", "string", "enum", "repeated")
    _only(rules.string, "min_len", "max_len", "pattern", "uuid")
    _only(rules.enum, "defined_only")
    _only(rules.repeated, "min_items", "max_items", "items")
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
