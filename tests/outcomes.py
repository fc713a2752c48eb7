"""How calls fail: pairs of a gRPC code and a published reason."""

from __future__ import annotations

from grpc import StatusCode

INVALID = (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
"""Refused before anything was sent."""
REJECTED = (StatusCode.INVALID_ARGUMENT, "SERVICE_REJECTED_REQUEST")
TOKEN_INVALID = (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
NOT_FOUND = (StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
THROTTLED = (StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
OVERLOADED = (StatusCode.RESOURCE_EXHAUSTED, "GATEWAY_OVERLOADED")
UNAVAILABLE = (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
UNREADABLE = (StatusCode.INTERNAL, "SERVICE_ANSWER_UNREADABLE")
