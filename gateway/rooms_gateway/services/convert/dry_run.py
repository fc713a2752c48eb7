"""What a dry run answers: the REST request that was not sent."""

from __future__ import annotations

import msgspec
from acs.rooms.v1.rest_request_pb2 import RestRequest as RestRequestMessage

from rooms_gateway.upstream.transport.messages import RestRequest


def describe(request: RestRequest, *, show_people: bool) -> RestRequestMessage:
    """Write `request` down; people in its body are counted, not named, unless `show_people`.

    There is no secret in it: a request is signed when it is sent.
    """
    body = request.body if show_people else _without_people(request.body)
    return RestRequestMessage(
        method=request.method,
        target=request.target,
        headers=request.headers,
        body=body.decode(),
    )


def _without_people(body: bytes) -> bytes:
    if not body:
        return body
    content = msgspec.json.decode(body)
    if people := content.get("participants"):
        content["participants"] = {
            f"<redacted {number}>": properties
            for number, properties in enumerate(people.values(), start=1)
        }
    return msgspec.json.encode(content)
