"""The HTML document: one static file without data, which reads everything from the control API.

So it may be served to every client: the control API decides which requests get data. Its scripts
and styles are allowed by their hashes alone, and Trusted Types keep text from becoming markup.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from rooms_emulator.http.messages import EncodedResponse

_FILE = Path(__file__).with_name("page.html")


def response() -> EncodedResponse:
    """Return the response that contains the document."""
    content = _FILE.read_bytes()
    return EncodedResponse(HTTPStatus.OK, _headers(content), content, chunked=False)


def _headers(content: bytes) -> Mapping[str, str]:
    policy = (
        "default-src 'none'",
        f"script-src {_hash(content, b'script')}",
        f"style-src {_hash(content, b'style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        # For browsers that ignore frame-ancestors.
        "X-Frame-Options": "DENY",
    }


def _hash(content: bytes, element: bytes) -> str:
    """Return the source expression for the only `element`; raises ValueError for another number."""
    [inline] = re.findall(rb"<%b>(.*?)</%b>" % (element, element), content, re.DOTALL)
    return f"'sha256-{b64encode(hashlib.sha256(inline).digest()).decode()}'"
