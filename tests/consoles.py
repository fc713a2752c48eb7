"""Consoles in pages: the commands in them, and what they print, with what varies taken out."""

from __future__ import annotations

import re

# What differs from run to run, by its form.
VOLATILE = [
    (re.compile(r"\b994\d{12,14}\b"), "ROOM"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"[A-Za-z0-9+/]{22}\.0\b"), "MS-CV"),
    (re.compile(r"endpoint=http://127\.0\.0\.1:\d+/"), "endpoint=http://127.0.0.1:PORT/"),
    # protojson of Go varies its white space on purpose.
    (re.compile(r"(?<=[:,]) +"), " "),
]


def stable(text: str) -> str:
    """Return `text` with what differs from run to run named by its kind."""
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


def examples(page: str) -> list[tuple[str, str]]:
    """Return every command in the consoles of a page with the output that is printed below it."""
    found = []
    for console in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for block in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            command, _, output = block.partition("\n")
            found.append((command, output))
    return found
