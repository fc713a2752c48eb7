"""Reads the metadata of calls: request id, trace, priority and resource."""

from __future__ import annotations

import re
from collections.abc import Collection

from rooms_gateway.call import new_id
from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.server.calls.resources import METADATA as RESOURCE
from rooms_gateway.telemetry.trace_context import TRACEPARENT, TraceContext, read_context

_REQUEST_ID = "x-request-id"
_PRIORITY = "rooms-priority"
_PRIORITIES: dict[str | bytes, bool] = {"interactive": False, "bulk": True}
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")


def read_metadata(
    metadata: Collection[tuple[str, str | bytes]],
) -> tuple[str, TraceContext | None, str | bytes | None, tuple[str | bytes, ...]]:
    """Return request id, trace, priority and the names of resources.

    The id is new if it is unsafe for logs and headers.
    """
    request_id, traced, priority = "", False, None
    resources: tuple[str | bytes, ...] = ()
    for key, value in metadata:
        if key == TRACEPARENT:
            traced = True
        elif key == _PRIORITY:
            priority = value
        elif key == RESOURCE:
            resources += (value,)
        elif (
            key == _REQUEST_ID
            and not request_id
            and isinstance(value, str)
            and _VALID_REQUEST_ID.fullmatch(value)
        ):
            request_id = value
    return request_id or new_id(), read_context(metadata) if traced else None, priority, resources


def is_bulk(priority: str | bytes) -> bool:
    """Return whether a call yields to interactive ones. Raises InvalidRequestError."""
    if priority not in _PRIORITIES:
        text = f"metadata {_PRIORITY} must be interactive or bulk"
        raise InvalidRequestError(Violation("", text))
    return _PRIORITIES[priority]
