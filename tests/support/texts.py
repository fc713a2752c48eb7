"""Texts under test: planted secrets, and the commands of documentation pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

WINDOW = 10
"""Characters in a row that only a secret has: half a secret is a leak, too."""

EXCERPT = 60
"""Characters of a text that are quoted before and after a leak."""

Secrets = Mapping[str, str]
"""Planted secrets by their names."""

Texts = Iterable[tuple[str, str | bytes]]
"""Everything that is shown, each text with its title: log, metrics, status of GetRoom …"""


@dataclass(frozen=True, slots=True)
class Leak:
    """A part of a secret in a text."""

    names: tuple[str, ...]
    """Names of the secrets that have this part."""
    title: str
    """Title of the text."""
    position: int
    excerpt: str
    """The text around the part, with the names in place of the part."""


def leaks(secrets: Secrets, texts: Texts) -> list[Leak]:
    """Find every part of a secret, as it is or encoded."""
    names = _names_by_part(tuple(secrets.items()))
    found = []
    for title, text in _decoded(texts):
        for start, end in _stretches(text, names):
            parts = (text[at : at + WINDOW] for at in range(start, end - WINDOW + 1))
            named = dict.fromkeys(name for part in parts for name in names.get(part, ()))
            found.append(_leak(tuple(named), title, text, start, end))
    return found


def occurrences(words: Iterable[str], texts: Texts) -> list[Leak]:
    """Find every occurrence of a word, as it is."""
    pattern = re.compile("|".join(map(re.escape, words)))
    return [
        _leak((match[0],), title, text, match.start(), match.end())
        for title, text in _decoded(texts)
        for match in pattern.finditer(text)
    ]


@cache
def _names_by_part(secrets: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for name, secret in secrets:
        for part in _parts(secret):
            names[part] = (*names.get(part, ()), name)
    return names


def _leak(names: tuple[str, ...], title: str, text: str, start: int, end: int) -> Leak:
    before, after = text[max(0, start - EXCERPT) : start], text[end : end + EXCERPT]
    return Leak(names, title, start, f"{before}[{' or '.join(names)}]{after}")


def _decoded(texts: Texts) -> Iterator[tuple[str, str]]:
    for title, text in texts:
        yield title, text.decode("latin-1") if isinstance(text, bytes) else text


def _stretches(text: str, parts: Container[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each stretch of `text` that windows in `parts` cover."""
    start = end = -1
    for at in range(len(text) - WINDOW + 1):
        if text[at : at + WINDOW] in parts:
            if at > end:
                if end > 0:
                    yield start, end
                start = at
            end = at + WINDOW
    if end > 0:
        yield start, end


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
        # The offset within three bytes decides the characters; the first and the last depend on
        # the neighbours.
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            yield encoded(bytes(before) + raw)[4 : len(raw) // 3 * 4].decode()


# Values that differ from run to run, and their names.
VOLATILE = [
    # First, because a part of a token may look like another kind. Pages abbreviate access tokens.
    (re.compile(r"\beyJ[\w-]+(?:\.[\w-]+\.[\w-]+|…)"), "TOKEN"),
    (re.compile(r"\b994\d{12,14}\b"), "ROOM"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"8:acs:[0-9a-f-]{36}_[0-9a-f-]{36}"), "USER"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"[A-Za-z0-9+/]{22}\.0\b"), "MS-CV"),
    (re.compile(r"(?<=Fingerprint: )[\w-]{20}"), "FINGERPRINT"),
    (re.compile(r"endpoint=http://127\.0\.0\.1:\d+/"), "endpoint=http://127.0.0.1:PORT/"),
    # protojson of Go varies its white space: golang/protobuf#1121.
    (re.compile(r"(?<=[:,]) +"), " "),
]


def stable(text: str) -> str:
    """Replace values that differ from run to run by the names of their kinds."""
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a text in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[tuple[str, str]]:
    """Return every command in the consoles of a page with the output below it."""
    found = []
    for console in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        for block in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            command, _, output = block.partition("\n")
            found.append((command, output))
    return found
