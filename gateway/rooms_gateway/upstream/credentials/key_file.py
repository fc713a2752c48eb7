"""Files with access keys. No error text contains a key, because error texts are logged."""

from __future__ import annotations

from pathlib import Path

from rooms_gateway.upstream.endpoint import parse_access_key

MAX_KEYS = 2
"""A resource has a primary and a secondary key."""

MAX_BYTES = 4096
"""Maximum size of a file; two keys have less than 200 bytes."""


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
        try:
            keys.append(parse_access_key(line))
        except ValueError:
            which = f"access key {number} of {len(lines)}" if len(lines) > 1 else "the access key"
            raise ValueError(
                f"{which} is not base64: copy it again from the Keys page of the resource"
            ) from None
    return tuple(dict.fromkeys(keys))


def read_secret(path: Path) -> str:
    """Read a small file of ASCII text.

    Raises ValueError, with one sentence that contains nothing of the file's content.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES or not content.isascii():
        raise ValueError(f"{path} is longer than {MAX_BYTES} bytes or not ASCII")
    return content.decode("ascii")


def read_key_file(path: Path) -> tuple[bytes, ...]:
    """Read access keys from `path`. Raises ValueError, with one sentence that contains no key."""
    text = read_secret(path)
    try:
        return parse_access_keys(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
