"""Texts under test: planted secrets, and the commands of documentation pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import quote

WINDOW = 10
"""Characters in a row that are nobody's but a secret's: half of one is a leak as well."""

Secrets = Mapping[str, str]
"""What is planted, by what it is called if it is found."""


def leaks(secrets: Secrets, *shown: str | bytes) -> list[str]:
    """Name the secrets of which any part is in what is shown, as it is or encoded."""
    texts = [part.decode("latin-1") if isinstance(part, bytes) else part for part in shown]
    text = "\n".join(texts)
    # Once for all windows: their number is that of the characters shown, not of the secrets.
    parts = {text[at : at + WINDOW] for at in range(len(text) - WINDOW + 1)}
    return [name for name, secret in secrets.items() if not parts.isdisjoint(_parts(secret))]


@cache
def _parts(secret: str) -> frozenset[str]:
    """Return every window of every form of a secret."""
    assert len(secret) >= WINDOW
    return frozenset(
        form[at : at + WINDOW] for form in _forms(secret) for at in range(len(form) - WINDOW + 1)
    )


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):
        # Where it begins within three bytes decides what it looks like; the ends depend on others.
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            yield encoded(bytes(before) + raw)[4 : len(raw) // 3 * 4].decode()


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
