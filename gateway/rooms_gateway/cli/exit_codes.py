"""Exit codes of `serve` and `emulator`; 0 is a clean shutdown, 2 a wrong setting."""

from __future__ import annotations

FORCED = 1
"""A second signal ended the graceful shutdown."""
CANNOT_LISTEN = 3
NO_CREDENTIAL = 4
CALLS_ABORTED = 5
"""Calls in flight outlasted the grace of the drain."""
NOT_STARTED = 6
"""A signal ended the startup."""
UPSTREAM_CHECK_FAILED = 7
