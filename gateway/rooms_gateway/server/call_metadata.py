"""What a caller's metadata says of the call itself: its id, and the trace that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Collection

from rooms_gateway.telemetry.trace_context import TRACEPARENT, TraceContext, read_context

REQUEST_ID = "x-request-id"
_FIT = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")


def read_metadata(
    metadata: Collection[tuple[str, str | bytes]],
) -> tuple[str, TraceContext | None]:
    """Return the caller's id if it is fit for logs and headers, else "", and its trace."""
    request_id, traced = "", False
    for key, value in metadata:
        if key == TRACEPARENT:
            traced = True
        elif (
            key == REQUEST_ID
            and not request_id
            and isinstance(value, str)
            and _FIT.fullmatch(value)
        ):
            request_id = value
    return request_id, read_context(metadata) if traced else None
