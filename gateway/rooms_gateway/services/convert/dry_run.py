"""Conversion of the REST request that a dry run did not send into its response message."""

from __future__ import annotations

import re

import msgspec
from acs.rooms.debug.v1 import dry_run_pb2 as pb

from rooms_gateway.upstream.transport.messages import RestRequest

PLACEHOLDER = "<"
"""Start of the placeholder of a user that a dry run does not create."""

REDACTED = "<redacted>"
_USER = re.compile(r"(?<=^/identities/)[^/?]+")


def describe(request: RestRequest, dry_run: pb.DryRun) -> pb.RestRequest:
    """Convert `request`; unless `dry_run` shows identifiers, placeholders replace them.

    The message contains no secret: requests are signed when they are sent, and a Teams token is
    always replaced.
    """
    target, body = request.target, request.body
    if not dry_run.show_identifiers:
        target, body = _USER.sub(REDACTED, target), _redact_identifiers(body)
    body = _replace(body, "token")
    return pb.RestRequest(
        http_method=request.method,
        target=target,
        headers=request.headers,
        body=body.decode(),
    )


def _replace(body: bytes, *members: str) -> bytes:
    content = msgspec.json.decode(body) if body else {}
    found = content.keys() & set(members)
    return msgspec.json.encode(content | dict.fromkeys(found, REDACTED)) if found else body


def _redact_identifiers(body: bytes) -> bytes:
    if not body:
        return body
    content = msgspec.json.decode(_replace(body, "customId", "userId"))
    if participants := content.get("participants"):
        content["participants"] = {
            raw_id if raw_id.startswith(PLACEHOLDER) else f"<redacted {number}>": properties
            for number, (raw_id, properties) in enumerate(participants.items(), start=1)
        }
    return msgspec.json.encode(content)
