"""One HTTP/2 stream of a connection (RFC 9113, section 5)."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The call that a stream carries."""

    def receive(self, data: bytes, *, end: bool) -> None:
        """Take bytes of the request; `end`: they are the last."""

    def sent(self) -> None:
        """All bytes that were to be sent are sent."""

    def cancel(self) -> None:
        """The client or the connection has ended the stream."""

    def abandon(self, reason: str) -> None:
        """End the call because the server stops."""

    def expire(self, now: float) -> None:
        """End the call if it has waited for the client for too long."""


class Stream:
    """State of a stream; its connection changes it."""

    __slots__ = (
        "number",
        "open",
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
        self.open = True
        """Whether the server may send more."""
        self.receiver: Receiver | None = None
        self.unsent: memoryview | None = None
        """Bytes that wait for flow control."""
        self.trailers: bytes | None = None
        """The header block that follows them and ends the stream."""
        self.since = now
        """When bytes were sent last, or began to wait, in seconds of the running clock."""
