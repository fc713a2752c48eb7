"""Copy the protos of the contract without the rules of `buf.validate`, which clients do not need.

Usage: strip.py OUT_FOLDER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PROTOS = Path(__file__).parent
RULES = "(buf.validate."

_IMPORT = re.compile(r'^import "buf/validate/validate\.proto";\n', re.MULTILINE)
_STATEMENT = re.compile(r"^ *option (?=\(buf\.validate\.)", re.MULTILINE)
_PART = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|.', re.DOTALL)
_OPENING, _CLOSING = "[{(", "]})"


def main(out: Path) -> None:
    """Write the files below `acs` into `out`."""
    for source in sorted(PROTOS.glob("acs/**/*.proto")):
        target = out / source.relative_to(PROTOS)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(strip(source.read_text("utf-8")), "utf-8")


def strip(text: str) -> str:
    """Return the text of a proto file without the import and the options of `buf.validate`."""
    text = _IMPORT.sub("", text)
    while match := _STATEMENT.search(text):
        end = match.end() + _length(text[match.end() :], ";")
        text = text[: match.start()] + text[end:].removeprefix("\n").removeprefix("\n")
    return "".join(_without_field_options(text))


def _without_field_options(text: str) -> Iterator[str]:
    """Yield the parts of `text`, with the lists of field options that have none of the rules."""
    while True:
        start = _start_of_options(text)
        if start is None:
            yield text
            return
        end = start + 1 + _length(text[start + 1 :], "]")
        options = [
            option
            for option in map(str.strip, _split(text[start + 1 : end - 1]))
            if not option.startswith(RULES)
        ]
        kept = f" [{', '.join(options)}]" if options else ""
        yield text[:start].removesuffix(" ") + kept
        text = text[end:]


def _start_of_options(text: str) -> int | None:
    """Return the position of the first `[` outside of comments and strings."""
    position = 0
    for part in _PART.findall(text):
        if part == "[":
            return position
        position += len(part)
    return None


def _split(options: str) -> Iterator[str]:
    """Yield the options of a list, which commas outside of brackets separate."""
    while options:
        length = _length(options, ",")
        yield options[:length].removesuffix(",")
        options = options[length:]


def _length(text: str, end: str) -> int:
    """Return the length of `text` up to and including the first `end` outside of brackets."""
    depth = position = 0
    for part in _PART.findall(text):
        position += len(part)
        if part == end and depth == 0:
            return position
        depth += (part in _OPENING) - (part in _CLOSING)
    return position


if __name__ == "__main__":
    main(Path(sys.argv[1]))
