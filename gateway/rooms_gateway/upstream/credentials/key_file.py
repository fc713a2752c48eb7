"""Files that hold access keys. Nothing here ever repeats a key: errors end up in logs."""

from __future__ import annotations

from pathlib import Path

from rooms_gateway.upstream.endpoint import parse_access_key

MAX_KEYS = 2
"""A resource has a primary and a secondary key."""

MAX_BYTES = 4096
"""Two keys have less than 200; this is for a path that leads to something else."""


def parse_access_keys(text: str) -> tuple[bytes, ...]:
    """Decode one or two access keys, each on a line of its own, the preferred one first.

    White space around them is ignored, a key that is there twice counts once. Raises ValueError,
    with one sentence that repeats no key.
    """
    lines = text.split()
    if not lines:
        raise ValueError("there is no access key")
    if len(lines) > MAX_KEYS:
        raise ValueError("there are more than two access keys: a resource has no more")
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

    Raises ValueError, with one sentence that repeats nothing of what is in the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES or not content.isascii():
        raise ValueError(f"{path} does not hold what it should: it is too long, or not ASCII")
    return content.decode("ascii")


def read_key_file(path: Path) -> tuple[bytes, ...]:
    """Read the access keys in `path`. Raises ValueError, with one sentence that repeats no key."""
    text = read_secret(path)
    try:
        return parse_access_keys(text)
    except ValueError as fault:
        raise ValueError(f"{path}: {fault}") from None
