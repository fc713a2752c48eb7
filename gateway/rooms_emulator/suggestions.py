"""Error messages for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MAX_LENGTH = 100
"""Comparing takes quadratic time, and no name is longer."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown `name`: the closest known name, and all known names."""
    by_lower_case = {each.lower(): each for each in known}
    shown = name[:_MAX_LENGTH]
    close = difflib.get_close_matches(shown.lower(), by_lower_case, n=1)
    hint = f" (did you mean {by_lower_case[close[0]]}?)" if close else ""
    return f"unknown {kind} {shown!r}{hint}: use one of {', '.join(by_lower_case.values())}"
