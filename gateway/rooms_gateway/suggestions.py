"""Suggestions for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MAX_LENGTH = 200
"""Comparing takes quadratic time, and no name is longer."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `: did you mean …?` for the closest known name, to end a sentence; empty if none."""
    close = difflib.get_close_matches(name[:_MAX_LENGTH], list(known), n=1)
    return f": did you mean {close[0]}?" if close else ""
