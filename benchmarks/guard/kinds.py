"""What is counted of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that is counted, in whole numbers."""

    name: str
    allowance: int = 0
    """By how many it may grow unnoticed."""
    of_python: bool = False
    """Whether it is another on other versions of Python, or on another event loop."""


FRAMES = Kind("frames of the gateway", of_python=True)
"""Python functions of ours that are entered, and coroutines of ours that are gone on with."""
ALL_FRAMES = Kind("frames of all", allowance=2, of_python=True)
"""The same, with those of all libraries."""
CALLS_INTO_C = Kind("calls into C", allowance=4, of_python=True)
TASKS = Kind("tasks")
STEPS = Kind("steps of tasks")
"""How often the event loop starts a task or comes back to it."""
REQUESTS = Kind("upstream requests")
CONNECTIONS = Kind("upstream connections")
WRITES = Kind("upstream writes")
"""Each is a system call."""
BYTES = Kind("upstream bytes", allowance=2)
"""The gateway's version is in them, which may grow."""
BLOCKS = Kind("blocks of memory kept")
"""By Python's allocator, after the call is over."""

KINDS = (
    FRAMES, ALL_FRAMES, CALLS_INTO_C, TASKS, STEPS, REQUESTS, CONNECTIONS, WRITES, BYTES, BLOCKS,
)  # fmt: skip
