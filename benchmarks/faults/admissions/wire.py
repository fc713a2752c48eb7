"""Trace contexts, which attribute requests to calls, and the claims of access tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping

TRACEPARENT = "traceparent"


def traceparent(trace: str) -> str:
    """Return the value of the header with a trace id."""
    return f"00-{trace}-00f067aa0ba902b7-01"


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of a request; empty if it has none."""
    return headers.get(TRACEPARENT, "--").split("-")[1]


def user_of(token: str) -> str:
    """Return the raw id of the user of an access token."""
    claims = token.split(".")[1]
    padded = claims + "=" * (-len(claims) % 4)
    return f"8:{json.loads(urlsafe_b64decode(padded))['skypeid']}"
