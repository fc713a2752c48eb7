"""What the emulator was asked, for tests to look at."""

from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from rooms_emulator.faults.rules import Strike
from rooms_emulator.rooms.store import Effect

# What may leave the process: no credentials, which is why this says what to show, not what to hide.
_SHOWN = (
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
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


class Entry(msgspec.Struct):
    """One request, as it came.

    Attributes:
        at: when it came, by the emulator's clock, in ticks (see ``timestamps``).
        method: the HTTP method.
        target: the request target, untouched.
        headers: all headers, with names in any case; they hold credentials.
        body: the body, untouched.
        operation: the operation that it led to; empty if to none.
        status: the status that was answered; ``None`` if nothing was, or not yet.
        strike: the fault that struck it, if one did.
        effect: what it changed among the rooms and rosters, if anything; set as well where the
            caller never got an answer.
        number: counts the requests since the start or the last reset, from 1.

    """

    at: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    operation: str
    status: int | None = None
    strike: Strike | None = None
    effect: Effect | None = None
    number: int = 0

    @property
    def faulty(self) -> bool:
        """Whether a fault struck it."""
        return self.strike is not None

    def shown_headers(self) -> dict[str, str]:
        """Give the headers that hold no credentials and are worth a look, in lower case."""
        return {name: self.headers[name] for name in _SHOWN if name in self.headers}


class Journal:
    """The latest requests, oldest first.

    Args:
        length: how many are kept; ``None`` keeps all.

    """

    def __init__(self, length: int | None = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=length)
        self._count = 0

    def add(self, entry: Entry) -> None:
        """Write down a request that has just come, and number it."""
        self._count += 1
        entry.number = self._count
        self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._count = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
