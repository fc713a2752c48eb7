"""Progress on standard error."""

from __future__ import annotations

import sys


def say(progress: str) -> None:
    """Print progress; on a terminal, overwrite the previous line."""
    terminal = sys.stderr.isatty()
    print(
        f"\r\033[K{progress}" if terminal else progress,
        end="" if terminal else "\n",
        file=sys.stderr,
        flush=True,
    )
