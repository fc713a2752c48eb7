"""How far it is, on standard error."""

from __future__ import annotations

import sys


def say(progress: str) -> None:
    """Show how far it is, on one line that is written over where somebody watches."""
    watched = sys.stderr.isatty()
    print(
        f"\r\033[K{progress}" if watched else progress,
        end="" if watched else "\n",
        file=sys.stderr,
        flush=True,
    )
