"""One stream, and what receives its request."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The call that a stream carries."""

    def receive(self, data: bytes, *, end: bool) -> None:
        """Take bytes of the request; `end`: they are the last."""

    def sent(self) -> None:
        """Take note that all bytes that were to be sent are sent."""

    def cancel(self) -> None:
        """Cancel the call: the client or the connection has ended the stream."""

    def abandon(self, reason: str) -> None:
        """End the call because the server stops."""

    def expire(self, now: float) -> None:
        """End the call if it has waited for the client for too long."""


class Stream:
    """State of a stream; its connection changes it."""

    __slots__ = (
        "late_trailers",
        "number",
        "open",
        "opened",
        "receive_window",
        "receiver",
        "receiving",
        "since",
        "trailers",
        "unsent",
        "window",
    )

    def __init__(self, number: int, window: int, receive_window: int, now: float) -> None:
        self.number = number
        self.window = window
        """Bytes that the client accepts."""
        self.receive_window = receive_window
        """Bytes that the client may send."""
        self.receiving = True
        """Whether the client may send more."""
        self.opened = now
        """In seconds of the running clock."""
        self.open = True
        """Whether the server may send more."""
        self.receiver: Receiver | None = None
        self.unsent: memoryview | None = None
        """Bytes that wait for flow control."""
        self.trailers: bytes | None = None
        """The header block that follows them and ends the stream; empty: the bytes end it."""
        self.late_trailers: bytes | None = None
        """Those of an error that waits for the end of the request."""
        self.since = now
        """When bytes were sent last, or began to wait, in seconds of the running clock."""
