"""Files with access keys and other secrets. No error repeats a secret: errors are logged."""

from __future__ import annotations

from pathlib import Path

from rooms_gateway.files import ascii_text, read_content
from rooms_gateway.stray_marks import stray_mark
from rooms_gateway.upstream.endpoint import parse_access_key

MAX_KEYS = 2
"""A resource has a primary and a secondary key."""

MAX_BYTES = 4096
"""Twenty times the size of two keys; a larger file is something else."""


def parse_access_keys(text: str) -> tuple[bytes, ...]:
    """Decode one or two access keys, one per line, the preferred one first.

    Ignores white space and duplicates. Raises ValueError, with one sentence that contains no key.
    """
    lines = text.split()
    if not lines:
        raise ValueError("there is no access key")
    if len(lines) > MAX_KEYS:
        raise ValueError("there are more than two access keys: a resource has two")
    keys = []
    for number, line in enumerate(lines, 1):
        which = f"access key {number} of {len(lines)}" if len(lines) > 1 else "the access key"
        keys.append(parse_access_key(line, which))
    return tuple(dict.fromkeys(keys))


def read_key_file(path: Path) -> tuple[bytes, ...]:
    """Read access keys from `path`. Raises ValueError, with one sentence that contains no key."""
    text = read_secret(path)
    try:
        return parse_access_keys(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_client_secret(path: Path) -> str:
    """Read the secret of an application. Raises ValueError, with one sentence that omits it."""
    secret = read_secret(path).strip()
    if not secret:
        raise ValueError(f"{path} is empty")
    if (mark := stray_mark(secret)) is not None:
        raise ValueError(f"{path} {mark}")
    return secret


def read_secret(path: Path) -> str:
    """Read a small file of ASCII text. Raises ValueError, with one sentence that omits it."""
    return ascii_text(read_content(path, MAX_BYTES).data, path)
