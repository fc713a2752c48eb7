"""Page tokens: the query of a `nextLink`, bound to the resource and the list that it belongs to.

A token is opaque, URL-safe text, valid on any replica because it holds all state. It is neither
secret nor signed: a forged token only chooses the query of a read that its caller may send anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from rooms_gateway.errors import InvalidPageTokenError
from rooms_gateway.upstream.paging import is_query

_VERSION = b"\x01"
_DIGEST_SIZE = 8


def encode(query: str | None, *scope: str) -> str:
    """Return the token for `query` in the list named by `scope`; empty for None, the last page.

    A scope begins with the identity of the resource, `RoomsApi.resource`.
    """
    if query is None:
        return ""
    text = query.encode()
    return base64.urlsafe_b64encode(_VERSION + _digest(text, scope) + text).rstrip(b"=").decode()


def decode(token: str, *scope: str) -> str | None:
    """Return the query in `token`, or None for the empty token, which is the first page.

    Raises InvalidPageTokenError if the token is damaged, of an unknown version, or of a list other
    than `scope`.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    query = raw[len(_VERSION) + _DIGEST_SIZE :].decode("latin-1")
    # Encoding it again checks version, digest and the spare bits of base64 in one step.
    if not is_query(query) or encode(query, *scope) != token:
        raise InvalidPageTokenError(
            "the page token is damaged or belongs to another list or resource: start the list "
            "without one"
        )
    return query


def _digest(text: bytes, scope: tuple[str, ...]) -> bytes:
    return hashlib.blake2b(
        b"\0".join([*(part.encode() for part in scope), text]), digest_size=_DIGEST_SIZE
    ).digest()
