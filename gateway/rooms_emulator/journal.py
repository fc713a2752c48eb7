"""Journal of the requests that the emulator received, for tests to inspect."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from rooms_emulator.faults.rules import InjectedFault
from rooms_emulator.rooms.records import Effect

# An allowlist, so that headers with credentials never leave the process.
_SHOWN_HEADERS = (
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "origin",
    "repeatability-first-sent",
    "repeatability-request-id",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-ms-client-request-id",
    "x-ms-content-sha256",
    "x-ms-date",
)

# A JWT: several parts, of which the first is a JSON object in base64url. It begins a word or
# follows an escape, because a search within words would take quadratic time.
_TOKEN = re.compile(r"(?:(?<![\w-])|(?<=%\w\w)|(?<=\\\w))e[wy][\w-]{10,}(?:\.[\w-]*){2,}", re.ASCII)


# A connection string in place of an endpoint puts the key into the path, and base64 has slashes.
_ACCESS_KEY = re.compile(r"(accesskey(?:=|%3d))[\w+/=%-]+", re.ASCII | re.IGNORECASE)

_MAX_RESPONSE_BODY = 1 << 16


class JournalResponse(msgspec.Struct, frozen=True):
    """The response to a request in the journal, as it was sent."""

    headers: Mapping[str, str]
    body: bytes
    """The first 64 KiB of the body."""

    def shown_body(self) -> str:
        """Return the body without tokens and keys, as valid text."""
        return without_secrets(self.body)


class JournalEntry(msgspec.Struct):
    """One request, as it was received."""

    at: int
    """Time of arrival by the emulator's clock, in ticks (see `timestamps`)."""
    method: str
    """HTTP method."""
    target: str
    """Request target as on the request line, not decoded."""
    headers: Mapping[str, str]
    """All headers, credentials included. Lookups ignore case."""
    body: bytes
    """Body, not decoded."""
    operation: str
    """Operation that the request addresses, such as `CreateRoom`; empty if there is none."""
    status: int | None = None
    """HTTP status of the response; None if there was no response, or not yet."""
    fault: InjectedFault | None = None
    """Fault that was injected, if any."""
    quota: str | None = None
    """Quota that rejected the request, as it was given; None if none did."""
    effect: Effect | None = None
    """Change of a room or roster, if any; set even if the response was lost."""
    response: JournalResponse | None = None
    """Response; None if there was none, or not yet."""
    number: int = 0
    """Position in the sequence of requests since the start or the last reset, from 1."""

    @property
    def faulty(self) -> bool:
        """Whether a fault was injected."""
        return self.fault is not None

    def record_response(self, headers: Mapping[str, str], body: bytes | None) -> None:
        """Record the response that is about to be sent."""
        self.response = JournalResponse(headers, (body or b"")[:_MAX_RESPONSE_BODY])

    def shown_headers(self) -> dict[str, str]:
        """Return the headers without credentials, with names in lower case."""
        return {name: self.headers[name] for name in _SHOWN_HEADERS if name in self.headers}

    def shown_target(self) -> str:
        """Return the target without tokens and keys, as valid text."""
        return without_secrets(self.target.encode(errors="surrogateescape"))

    def shown_body(self) -> str:
        """Return the body without tokens and keys, as valid text."""
        return without_secrets(self.body)


class Journal:
    """The latest requests, oldest first.

    `length` is the number of requests to keep; None keeps all.
    """

    def __init__(self, length: int | None = 1000) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=length)
        self._count = 0

    def add(self, entry: JournalEntry) -> None:
        """Append a request, with its number."""
        self._count += 1
        entry.number = self._count
        self._entries.append(entry)

    def clear(self) -> None:
        """Remove all requests and restart the numbering."""
        self._entries.clear()
        self._count = 0

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


def without_secrets(content: bytes) -> str:
    """Return `content` as valid text, with `REDACTED` in place of each JWT and access key.

    An access key is known by `accesskey=` before it, as in a connection string.
    """
    text = _TOKEN.sub("REDACTED", content.decode(errors="replace"))
    return _ACCESS_KEY.sub(r"\1REDACTED", text)
