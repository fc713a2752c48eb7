"""The errors reference: every reason that ErrorInfo carries, from the comments of ErrorReason."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorSet
from reference_markdown import ENUM, MEMBER, Source, table

PACKAGE, NAME, PREFIX = "acs.rooms.v1", "ErrorReason", "ERROR_REASON_"

_FORM = re.compile(
    r"(?P<name>\w+): (?P<cause>.+)\nCode: (?P<code>.+)\nExample: (?P<example>\{.+\})\n"
    r"Do: (?P<do>.+)",
    re.DOTALL,
)
_CODE = re.compile(r"\b[A-Z]{2,}(?:_[A-Z]+)*\b")

_PREFACE = """\
# Errors reference

Generated from the comments of `ErrorReason` by `make generate`: change them there.
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, as its comment tells it."""

    name: str
    """Without the prefix of the enum."""
    cause: str
    code: str
    """The gRPC codes by name, in a sentence that says which details come with them."""
    example: dict[str, str]
    """Metadata of ErrorInfo."""
    do: str

    @property
    def codes(self) -> list[str]:
        """The names of the gRPC codes."""
        return _CODE.findall(self.code)


def page(descriptors: FileDescriptorSet) -> str:
    """Return the page. Raises ValueError for a comment of another form."""
    source, index, _ = _find(descriptors)
    lines = [_PREFACE, source.comment(ENUM, index), ""]
    found = reasons(descriptors)
    lines += table(
        ("Reason", "gRPC code", "Cause"),
        (
            (f"[{each.name}](#{each.name.lower()})", "<br>".join(each.codes), _sentence(each.cause))
            for each in found
        ),
    )
    for each in found:
        lines += _section(each)
    return "\n".join(lines).rstrip() + "\n"


def reasons(descriptors: FileDescriptorSet) -> list[Reason]:
    """Read all reasons that are ever sent. Raises ValueError for a comment of another form."""
    source, index, enum = _find(descriptors)
    found = []
    for number, value in enumerate(enum.value):
        if value.number:
            text = source.comment(ENUM, index, MEMBER, number)
            match = _FORM.fullmatch(text)
            if match is None or match["name"] != value.name:
                raise ValueError(f"the comment of {value.name} has not the form of the others")
            found.append(
                Reason(
                    value.name.removeprefix(PREFIX),
                    _one_line(match["cause"]),
                    _one_line(match["code"]),
                    json.loads(match["example"]),
                    _one_line(match["do"]),
                )
            )
    return found


def _find(descriptors: FileDescriptorSet) -> tuple[Source, int, EnumDescriptorProto]:
    for file in descriptors.file:
        for index, enum in enumerate(file.enum_type):
            if (file.package, enum.name) == (PACKAGE, NAME):
                return Source(file), index, enum
    raise ValueError(f"there is no {PACKAGE}.{NAME}")


def _section(reason: Reason) -> Iterator[str]:
    yield from (f"## {reason.name}\n", _sentence(reason.cause), "")
    yield from (f"- **gRPC code**: {reason.code}", f"- **What to do**: {_sentence(reason.do)}")
    yield from (f"- **Example metadata**: `{json.dumps(reason.example)}`", "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
