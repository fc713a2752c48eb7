"""Logs: one line for each call, and nothing in it that a caller could have written at will."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("gateway.calls")

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure(level: str) -> None:
    """Log to standard error from `level` on; standard output stays for what commands print."""
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=FORMAT)


def log_call(  # noqa: PLR0913 - the columns of a line
    *,
    method: str,
    code: str,
    reason: str,
    seconds: float,
    attempts: int,
    request_id: str,
    upstream: str,
) -> None:
    """Write the line of one finished call.

    Only values of our own making, or checked on the way in, are in it: never a message, a room's
    people or an error's text.
    """
    logger.info(
        "method=%s code=%s reason=%s ms=%.1f attempts=%d request_id=%s upstream_id=%s",
        method,
        code,
        reason or "-",
        seconds * 1000,
        attempts,
        request_id,
        upstream or "-",
    )
