"""Conversion of the REST request that a dry run did not send into its response message."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from acs.rooms.debug.v1 import dry_run_pb2 as pb

from rooms_gateway.upstream.transport.messages import RestRequest

PLACEHOLDER = "<"
"""Start of the placeholder of a user that a dry run does not create."""

REDACTED = "<redacted>"
_USER = re.compile(r"(?<=^/identities/)[^/?]+")


def describe(
    request: RestRequest, dry_run: pb.DryRun, applied_settings: Iterable[str] = ()
) -> pb.RestRequest:
    """Convert `request`; unless `dry_run` shows identifiers, placeholders replace them.

    The message contains no secret: requests are signed when they are sent, and a Teams token is
    always replaced.
    """
    target, hidden = request.target, {"token"}
    if not dry_run.show_identifiers:
        target = _USER.sub(REDACTED, target)
        hidden |= {"customId", "userId", "participants"}
    body = _redact(request.body, hidden)
    return pb.RestRequest(
        http_method=request.method,
        target=target,
        headers=request.headers,
        body=body.decode(),
        applied_settings=applied_settings,
    )


def placeholder(number: int) -> str:
    """Return what replaces the `number`-th participant, counted from 1."""
    return f"<redacted {number}>"


def _redact(body: bytes, hidden: set[str]) -> bytes:
    """Replace the values of the members `hidden`; of `participants`, its names."""
    content = msgspec.json.decode(body) if body else {}
    for name in hidden & content.keys():
        content[name] = _placeholders(content[name]) if name == "participants" else REDACTED
    return msgspec.json.encode(content) if content else body


def _placeholders(participants: dict[str, Any]) -> dict[str, Any]:
    return {
        raw_id if raw_id.startswith(PLACEHOLDER) else placeholder(number): properties
        for number, (raw_id, properties) in enumerate(participants.items(), start=1)
    }
