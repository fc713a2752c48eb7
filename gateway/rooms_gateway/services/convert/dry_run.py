"""Conversion of the REST request that a dry run did not send into its response message."""

from __future__ import annotations

import msgspec
from acs.rooms.debug.v1 import dry_run_pb2 as pb

from rooms_gateway.upstream.transport.messages import RestRequest


def describe(request: RestRequest, dry_run: pb.DryRun) -> pb.RestRequest:
    """Convert `request`; unless `dry_run` shows identifiers, its body has numbered placeholders.

    The message contains no secret: requests are signed when they are sent.
    """
    body = request.body if dry_run.show_identifiers else _redact_participants(request.body)
    return pb.RestRequest(
        http_method=request.method,
        target=request.target,
        headers=request.headers,
        body=body.decode(),
    )


def _redact_participants(body: bytes) -> bytes:
    if not body:
        return body
    content = msgspec.json.decode(body)
    if participants := content.get("participants"):
        content["participants"] = {
            f"<redacted {number}>": properties
            for number, properties in enumerate(participants.values(), start=1)
        }
    return msgspec.json.encode(content)
