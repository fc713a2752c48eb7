"""Continuation tokens: opaque to clients, base64url of JSON in the form that the service uses."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from rooms_emulator import problems

# Recorded tokens have 715 to 2,752 characters. With as long ones, a client, proxy or log that
# cannot process such links fails here too.
_FILLING = "AQEAAAB3" * 53
_TOKEN = re.compile(r"\+RID:~([^:#]+):(\d{1,18})#RT:1#ISV:2#IEO:65567#QCF:8#FPC:.*", re.ASCII)


class _Range(msgspec.Struct, frozen=True):
    min: str = "05C1D7FFFFFFF8"
    max: str = "05C1DFFFFFFFF8"


class _Continuation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    range: _Range = _Range()


_DECODER = msgspec.json.Decoder(tuple[_Continuation])


def encode(collection: str, position: int) -> str:
    """Return the token of a position in a collection (`rooms`, or the id of a room)."""
    token = f"+RID:~{collection}:{position}#RT:1#ISV:2#IEO:65567#QCF:8#FPC:{_FILLING}"
    text = msgspec.json.encode([_Continuation(token)])
    return urlsafe_b64encode(text).decode("ascii").rstrip("=")


def decode(collection: str, token: str) -> int:
    """Return the position in a token of this collection.

    Raises ServiceError if the token is malformed or of another collection.
    """
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        (continuation,) = _DECODER.decode(text)
    except (ValueError, msgspec.DecodeError):
        raise problems.bad_request(problems.BAD_CONTINUATION) from None
    match = _TOKEN.fullmatch(continuation.token)
    if match is None or match[1] != collection:
        raise problems.bad_request(problems.BAD_CONTINUATION)
    return int(match[2])
