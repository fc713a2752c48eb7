"""Static tokens: a file that gives each a caller, kept as SHA-256 from the moment it is read."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rooms_gateway.files import read_bounded

MIN_LENGTH = 20
"""Characters. A hash without salt protects a token only as far as nobody can guess it."""

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a bearer token can be: the b64token of RFC 6750, section 2.1."""

_HASHED = "sha256:"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def digest_of(token: str) -> bytes:
    """Return what a token is looked up by: how long that takes tells nothing of other tokens."""
    return hashlib.sha256(token.encode("ascii")).digest()


def read_tokens(path: Path) -> tuple[dict[bytes, str], list[str]]:
    """Return the caller of each token, by the token's SHA-256, and all faults of the file.

    One line for each token: the caller's name, white space, the token or `sha256:` and the SHA-256
    of it in hexadecimal; empty lines and those that begin with # are passed over. A caller may have
    several, which is how tokens are rotated. No fault repeats a token.
    """
    try:
        text = read_bounded(path, secret=True).decode("ascii")
    except UnicodeDecodeError:
        return {}, [f"{path} does not hold tokens: it is not ASCII"]
    except ValueError as fault:
        return {}, [str(fault)]
    tokens: dict[bytes, str] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            name, digest = _read_line(line)
            if tokens.setdefault(digest, name) != name:
                raise ValueError("has the token of another caller")
        except ValueError as fault:
            faults.append(f"{path}, line {number}: {fault}")
    return tokens, faults


def _read_line(line: str) -> tuple[str, bytes]:
    words = line.split()
    if len(words) != 2:  # noqa: PLR2004 - a name and a token
        raise ValueError("is not a caller's name and a token")
    name, token = words
    if token.startswith(_HASHED):
        hashed = token.removeprefix(_HASHED)
        if _DIGEST.fullmatch(hashed) is None:
            raise ValueError("a SHA-256 has 64 hexadecimal digits")
        return name, bytes.fromhex(hashed)
    if len(token) < MIN_LENGTH:
        raise ValueError(
            f"the token could be guessed: {MIN_LENGTH} characters are the least, such as those of "
            "openssl rand -hex 32"
        )
    if TOKEN.fullmatch(token) is None:
        raise ValueError("the token has characters that no bearer token can have")
    return name, digest_of(token)
