"""Exit codes of `serve`, `emulator`, `join` and `rooms`.

0 is a clean shutdown or a success, 2 a wrong setting, flag or file. `join`
and bulk jobs exit with 64 plus the gRPC code if the call fails.
"""

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
JOIN_OBSTACLES = 8
"""`join explain` found obstacles."""
NOT_ALL_ADMITTED = 9
"""`join admit` returned an error for at least one guest."""
NOT_ALL_SUCCEEDED = 10
"""`rooms bulk-create` or `bulk-delete` returned an error for at least one item, `rooms export` left
a room out, or `rooms import` did not import one."""
