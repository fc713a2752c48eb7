"""Page tokens: the query of a `nextLink`, bound to the resource and the list that it belongs to.

A token within a page also has a mark of the item after which the list resumes.

A token is opaque, URL-safe text, valid on any replica because it holds all state. It is neither
secret nor signed: a forged token only chooses the query of a read that its caller may send anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from rooms_gateway.errors import InvalidPageTokenError
from rooms_gateway.upstream.paging import is_query

_VERSION = b"\x01"
_DIGEST_SIZE = 8
_MARK = re.compile(r"-?\d{1,12}\.\d{1,9}\.[0-9a-f]{16}", re.ASCII)


def encode(query: str | None, *scope: str) -> str:
    """Return the token for `query` in the list named by `scope`; empty for None, the last page.

    A scope begins with the identity of the resource, `RoomsApi.resource`.
    """
    return "" if query is None else _seal(query, scope)


def encode_within(query: str | None, mark: str, *scope: str) -> str:
    """Return the token for the rest of a page, after the item with `mark`.

    `query` is that of the page; None for the first page.
    """
    # No query contains a "#".
    return _seal(f"{query or ''}#{mark}", scope)


def decode(token: str, *scope: str) -> str | None:
    """Return the query in `token`, or None for the empty token, which is the first page.

    Raises InvalidPageTokenError if the token is damaged, of an unknown version, or of a list other
    than `scope`.
    """
    if not token:
        return None
    text = _open(token, scope)
    if not is_query(text):
        raise _invalid()
    return text


def decode_within(token: str, *scope: str) -> tuple[str | None, str]:
    """Return the query in `token`, and the mark in it; empty if it resumes after a whole page.

    Raises as `decode` does.
    """
    if "#" not in (text := _open(token, scope) if token else ""):
        return decode(token, *scope), ""
    query, _, mark = text.partition("#")
    if (query and not is_query(query)) or not _MARK.fullmatch(mark):
        raise _invalid()
    return query or None, mark


def _seal(text: str, scope: tuple[str, ...]) -> str:
    raw = text.encode()
    return base64.urlsafe_b64encode(_VERSION + _digest(raw, scope) + raw).rstrip(b"=").decode()


def _open(token: str, scope: tuple[str, ...]) -> str:
    """Return the text in `token`. Raises InvalidPageTokenError."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    text = raw[len(_VERSION) + _DIGEST_SIZE :].decode("latin-1")
    # Encoding it again checks version, digest and the spare bits of base64 in one step.
    if _seal(text, scope) != token:
        raise _invalid()
    return text


def _invalid() -> InvalidPageTokenError:
    return InvalidPageTokenError(
        "the page token is damaged or belongs to another list or resource: start the list without "
        "one"
    )


def _digest(text: bytes, scope: tuple[str, ...]) -> bytes:
    return hashlib.blake2b(
        b"\0".join([*(part.encode() for part in scope), text]), digest_size=_DIGEST_SIZE
    ).digest()
