"""Reading the files of a policy, of bounded size and with permissions that fit what is in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 1 << 20
"""Thousands of callers have less; this is for a path that leads to something else."""


def read_bounded(path: Path, *, secret: bool = False) -> bytes:
    """Read a file that only its owner and group may write, or see if it is `secret`.

    Raises ValueError, with one sentence that repeats nothing of what is in the file.
    """
    try:
        with path.open("rb") as file:
            # Of the file that is open, so that it cannot be another one by now.
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if mode & stat.S_IWOTH:
        raise ValueError(
            f"everybody on this machine can change {path}: take that right away (chmod o-w)"
        )
    if secret and mode & stat.S_IROTH:
        raise ValueError(
            f"everybody on this machine can read {path}, and tokens are secrets: take that right "
            "away (chmod o-r)"
        )
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} does not hold what it should: it is too long")
    return content
