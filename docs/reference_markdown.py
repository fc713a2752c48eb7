"""Markdown shared by all reference pages: comments of protos, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from google.protobuf.descriptor_pb2 import FileDescriptorProto

# Field numbers of descriptor.proto, which SourceCodeInfo.Location.path alternates with indexes.
MESSAGE, ENUM, SERVICE, MEMBER, ONEOF = 4, 5, 6, 2, 8


class Source:
    """Comments of one proto file as Markdown, by the path of their element."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self._comments = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
        }

    def comment(self, *path: int) -> str:
        """Return a comment; its indented lines become a code block."""
        lines = [line.removeprefix(" ") for line in self._comments.get(path, "").splitlines()]
        blocks = []
        for indented, group in groupby(lines, key=lambda line: line.startswith("  ")):
            block = "\n".join(group)
            blocks.append(f"\n```text\n{block}\n```\n" if indented else block)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip()

    def cell(self, *path: int) -> str:
        """Return a comment on one line, for a table cell."""
        return self.comment(*path).replace("\n\n", "<br><br>").replace("\n", " ")


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table and an empty line; nothing if there are no rows."""
    body = [_row(cell.replace("|", r"\|") for cell in row) for row in rows]
    if body:
        names = list(headings)
        yield from (_row(names), _row("---" for _ in names), *body, "")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
