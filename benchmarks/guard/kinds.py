"""Counts of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One count, in whole numbers. No upgrade of a library moves it."""

    name: str
    allowance: int = 0
    """Allowed growth."""
    of_python: bool = False
    """Whether the count differs between versions of Python."""


FRAMES = Kind("frames of the gateway", of_python=True)
"""Python functions of the gateway entered, and its coroutines resumed."""
REQUESTS = Kind("upstream requests")
BYTES = Kind("upstream bytes", allowance=2)
"""Bytes of upstream requests; they contain the gateway's version, which may grow."""

KINDS = (FRAMES, REQUESTS, BYTES)
