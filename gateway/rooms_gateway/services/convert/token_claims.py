"""Claims of access tokens, read for diagnosis only.

Microsoft does not document them, and publishes no keys to verify them with: these are the claims of
tokens in its samples. A claim that is missing or malformed is ignored.
"""

from __future__ import annotations

import math
from base64 import b64decode
from typing import NamedTuple

import msgspec
from acs.rooms.v1.join_pb2 import TokenClaims
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import Raw

from rooms_gateway.services.convert import timestamps


class Claims(NamedTuple):
    """Claims of a token, as far as they were readable."""

    raw_id: str
    """Raw id of the user; empty if it was not readable."""
    resource_id: str
    """Id of the resource that issued the token; empty if it was not readable."""
    public: TokenClaims
    """The claims that responses contain."""


class _Object(msgspec.Struct, rename="camel"):
    """A JSON object. Members are decoded one by one, so that each can be malformed."""

    skypeid: Raw = Raw()
    resource_id: Raw = Raw()
    acs_scope: Raw = Raw()
    exp: Raw = Raw()
    iat: Raw = Raw()


_object = msgspec.json.Decoder(_Object)
_text = msgspec.json.Decoder(str)
_number = msgspec.json.Decoder(float)


def read_claims(token: str) -> Claims | None:
    """Return the claims of a JWT without verifying them; raises no exception, whatever the text.

    None if the text is no JWT, or has no claim of Communication Services.
    """
    try:
        header, payload, _ = token.split(".")
        _object.decode(_base64(header))
        members = _object.decode(_base64(payload))
    except (ValueError, RecursionError):
        return None
    skype_id, resource_id = _read_text(members.skypeid), _read_text(members.resource_id)
    scopes = _read_text(members.acs_scope).replace(",", " ").split()
    if not (skype_id or resource_id or scopes):
        return None
    public = TokenClaims(
        expires_at=_read_time(members.exp), issued_at=_read_time(members.iat), scope_names=scopes
    )
    return Claims(skype_id and f"8:{skype_id}", resource_id, public)


def _base64(part: str) -> bytes:
    return b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _read_text(member: Raw) -> str:
    try:
        return _text.decode(member)
    except ValueError:
        return ""


def _read_time(member: Raw) -> Timestamp | None:
    """Convert seconds since 1970; a part of a second is cut off."""
    try:
        seconds = math.floor(_number.decode(member))
    except ValueError:
        return None
    if not timestamps.MIN_SECONDS <= seconds <= timestamps.MAX_SECONDS:
        return None
    return Timestamp(seconds=seconds)
