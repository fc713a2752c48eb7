"""W3C Trace Context: read from the metadata of calls, written to the headers of requests.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

SAMPLED = 0x01
"""Flag: the caller records its part of the trace."""

MAX_TRACESTATE = 512
"""Maximum length; W3C requires to propagate this much, and a longer tracestate is dropped."""

_KNOWN_FLAGS = SAMPLED | 0x02  # 0x02: the trace id is random

_PARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})"
    r"-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<rest>-[ -~]{0,200})?"
)

_KEY = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_VALUE = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
_MEMBER = re.compile(rf"[ \t]*(?:(?P<key>{_KEY})=(?P<value>{_VALUE}))?[ \t]*")
_MAX_MEMBERS = 32


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Span of the caller that a call belongs to."""

    trace_id: str
    """32 hexadecimal digits, in lower case."""
    span_id: str
    """16 hexadecimal digits, in lower case."""
    flags: int
    tracestate: str = ""
    """Vendor data of tracing systems; may be empty."""

    def headers(self) -> dict[str, str]:
        """Return the headers that propagate the context."""
        parent = {TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"}
        return parent | {TRACESTATE: self.tracestate} if self.tracestate else parent


def read_context(metadata: Collection[tuple[str, str | bytes]]) -> TraceContext | None:
    """Return the context in the metadata of a call; None if it is missing or malformed.

    No part of a malformed context reaches a span, a log line or the upstream.
    """
    parents = [value for key, value in metadata if key == TRACEPARENT]
    if len(parents) != 1 or not isinstance(parents[0], str):
        return None
    found = _PARENT.fullmatch(parents[0])
    # Only versions after 00 may have further fields.
    if found is None or (found["version"] == "00" and found["rest"] is not None):
        return None
    states = [value for key, value in metadata if key == TRACESTATE]
    return TraceContext(
        found["trace"], found["span"], int(found["flags"], 16) & _KNOWN_FLAGS, _joined(states)
    )


def _joined(states: list[str | bytes]) -> str:
    """Join several tracestates; return an empty text if they are malformed or too long."""
    texts = [state for state in states if isinstance(state, str)]
    if len(texts) != len(states) or sum(map(len, texts)) > MAX_TRACESTATE:
        return ""
    members = [_MEMBER.fullmatch(member) for text in texts for member in text.split(",")]
    pairs = {found["key"]: found["value"] for found in members if found and found["key"]}
    empty = sum(found is not None and found["key"] is None for found in members)
    if len(pairs) + empty != len(members) or len(pairs) > _MAX_MEMBERS:
        return ""
    return ",".join(f"{key}={value}" for key, value in pairs.items())
