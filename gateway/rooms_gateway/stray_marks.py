"""Marks that tools leave around a value, for errors that name them and not the value."""

from __future__ import annotations

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_BYTE_ORDER_MARK = "\ufeff"


def stray_mark(text: str) -> str | None:
    """Return the rest of a sentence about a mark at either end of `text`; None without one.

    The sentence contains no part of `text`. White space around `text` is no mark.
    """
    text = text.strip()
    if text.startswith(_BYTE_ORDER_MARK):
        return "begins with a byte order mark (U+FEFF): save its source as UTF-8 without one"
    for end, verb in ((text[:1], "begins"), (text[-1:], "ends")):
        if end and end in _QUOTES:
            return (
                f"{verb} with a quotation mark: remove the quotation marks, which docker "
                "--env-file and some other tools keep"
            )
    return None
