"""Text for terminals: tables, aligned values and counts, without control characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

UNSET = "unset"


class Table:
    """A table that grows row by row; its columns only widen."""

    def __init__(self, *headings: str) -> None:
        self._headings = headings
        self._widths = [len(heading) for heading in headings]
        self.is_empty = True

    def add(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Yield the lines of `rows`, preceded by the headings if they are the first."""
        if not rows:
            return
        safe = [[printable(cell) for cell in row] for row in rows]
        columns = zip(*safe, strict=True)
        self._widths = [
            max(width, *map(len, column))
            for width, column in zip(self._widths, columns, strict=True)
        ]
        if self.is_empty:
            self.is_empty = False
            yield click.style(self._line(self._headings), bold=True)
        yield from map(self._line, safe)

    def _line(self, cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True))
        return "  ".join(padded).rstrip()


def aligned(fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield one line for each name and value, with the values in one column."""
    width = max((len(name) for name, _ in fields), default=0)
    for name, value in fields:
        yield f"{click.style(name.ljust(width), bold=True)}  {printable(value)}"


def printable(text: str) -> str:
    """Escape control characters, so that text of a response cannot control the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def rooms_text(count: int) -> str:
    """Return a number of rooms in words."""
    return f"{count} room{'' if count == 1 else 's'}"


def counts_text(first: str, *outcomes: tuple[int, str]) -> str:
    """Return a sentence of `first` and the other outcomes that have a number."""
    return ", ".join((first, *(f"{number} {name}" for number, name in outcomes if number))) + "."


def enum_name(values: EnumDescriptor, number: int) -> str:
    """Return the name of a value without the prefix of its enum; an unknown value as a number."""
    if (value := values.values_by_number.get(number)) is None:
        return str(number)
    prefix: str = values.values_by_number[0].name.removesuffix("UNSPECIFIED")
    name: str = value.name
    return name.removeprefix(prefix)


def utc(stamp: Timestamp) -> str:
    """Return a time as RFC 3339 text in UTC, with the digits that it needs."""
    whole, _, fraction = stamp.ToJsonString().removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
