"""Conversion of the REST request that a dry run did not send into its response message."""

from __future__ import annotations

import msgspec
from acs.rooms.v1.rest_request_pb2 import RestRequest as RestRequestMessage

from rooms_gateway.upstream.transport.messages import RestRequest


def describe(request: RestRequest, *, show_people: bool) -> RestRequestMessage:
    """Convert `request`; participants in its body are numbered placeholders unless `show_people`.

    The message contains no secret: requests are signed when they are sent.
    """
    body = request.body if show_people else _redact_participants(request.body)
    return RestRequestMessage(
        method=request.method,
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
