"""Static bearer tokens: a file with a caller and a token per line, kept in memory as SHA-256."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rooms_gateway.files import ascii_text, read_protected
from rooms_gateway.stray_marks import stray_mark

MIN_LENGTH = 20
"""Characters of a token: an unsalted hash does not protect a token that can be guessed."""

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""Syntax of a bearer token: b64token of RFC 6750, section 2.1."""

_HASHED = "sha256:"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def digest_of(token: str) -> bytes:
    """Return the key to look a token up by; its timing reveals nothing about other tokens."""
    return hashlib.sha256(token.encode("ascii")).digest()


def read_tokens(path: Path) -> tuple[dict[bytes, str], list[str]]:
    """Return the caller of each token, by the token's SHA-256, and all errors in the file.

    Each line has the caller's name, white space, and the token or `sha256:` and its SHA-256 in
    hexadecimal. Empty lines and lines that start with # are ignored. A caller may have several
    tokens, for rotation. No error repeats a token.
    """
    try:
        text = ascii_text(read_protected(path, secret=True), path)
    except ValueError as error:
        return {}, [str(error)]
    tokens: dict[bytes, str] = {}
    errors = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, digest = _read_line(line)
            if tokens.setdefault(digest, name) != name:
                raise ValueError("another caller has the same token")
        except ValueError as error:
            errors.append(f"{path}, line {number}: {error}")
    return tokens, errors


def _read_line(line: str) -> tuple[str, bytes]:
    words = line.split()
    if len(words) != 2:  # noqa: PLR2004 - a name and a token
        raise ValueError("not a caller's name and a token")
    name, token = words
    if (mark := stray_mark(token)) is not None:
        raise ValueError(f"the token {mark}")
    if token.startswith(_HASHED):
        digest = token.removeprefix(_HASHED)
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError("a SHA-256 has 64 hexadecimal digits")
        return name, bytes.fromhex(digest)
    if len(token) < MIN_LENGTH:
        raise ValueError(
            f"the token is too short to be secure: use at least {MIN_LENGTH} characters, for "
            "example those of openssl rand -hex 32"
        )
    if TOKEN.fullmatch(token) is None:
        raise ValueError("the token has characters that are not allowed in a bearer token")
    return name, digest_of(token)
