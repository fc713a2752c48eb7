"""Planted secrets, and a search for them that finds a part of one, and one that is encoded."""

from __future__ import annotations

import base64
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
