"""Pings: those of a client may be too many, and those of the server show whether it lives."""

from __future__ import annotations

from rooms_gateway.grpc_server.http2.frames import ErrorCode, Http2Error
from rooms_gateway.grpc_server.limits import Limits

_MAX_STRIKES = 2
"""Pings that may be too early, as in grpc's doc/keepalive.md."""


class Liveness:
    """The pings of one client, and whether it lives."""

    __slots__ = ("_last_ping", "_limits", "_pinged", "_strikes", "received")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._strikes = 0
        self._last_ping: float | None = None
        self._pinged: float | None = None
        self.received = now
        """When the client has sent anything, in seconds of the running clock."""

    def on_ping(self, now: float, *, quiet: bool) -> None:
        """Judge a ping of the client. Raises Http2Error.

        `now` is in seconds of the event loop; `quiet`: nothing was sent since its last ping.
        """
        if not quiet:
            self._strikes = 0
        elif self._last_ping is not None and now - self._last_ping < self._limits.min_ping_interval:
            self._strikes += 1
            if self._strikes > _MAX_STRIKES:
                raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings")
        self._last_ping = now

    def must_ping(self, now: float) -> bool:
        """Return whether to ping the client, and record the ping."""
        if self._pinged is not None and self._pinged >= self.received:
            return False
        due = now - self.received > self._limits.keepalive
        self._pinged = now if due else None
        return due

    def is_dead(self, now: float) -> bool:
        """Return whether the client has not responded to a ping in time."""
        return (
            self._pinged is not None
            and self.received <= self._pinged
            and now - self._pinged > self._limits.keepalive_timeout
        )
