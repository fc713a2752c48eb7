"""`nextLink`: reduced to its query, and only if it leads back to where the list came from.

A link is text from outside. Followed as a URL, it would carry a signed request wherever it says.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.upstream.endpoint import DEFAULT_PORTS, Endpoint

# Printable ASCII without the blank and the "#", behind which nothing is part of a request.
_LINK = re.compile(r'[!"$-~]+')

# RFC 3986, section 3.4, minus the quote, which yarl and other clients would encode. Possessive, as
# the service's tokens have thousands of characters, and going back would find nothing else.
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&()*+,;=:@/?]++|%[0-9A-Fa-f]{2})++")

MAX_QUERY_LENGTH = 8000
"""Request lines longer than this are refused by servers on the way."""


def is_query(text: str) -> bool:
    """Say whether `text` can stand behind the `?` of a request line as it is."""
    return len(text) <= MAX_QUERY_LENGTH and _QUERY.fullmatch(text) is not None


def safe_next_query(link: str, endpoint: Endpoint, path: str) -> str:
    """Return the query of `link`, a `nextLink` of a list read from `path` on `endpoint`.

    Raises InvalidUpstreamResponseError if it leads to another origin or path, or is not a link.
    """
    # Before it is split: urlsplit removes line breaks and tabs, and would read another link.
    if _LINK.fullmatch(link) is None:
        raise InvalidUpstreamResponseError("the service's nextLink is not a URL")
    try:
        parts = urlsplit(link)
        port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
        origin = (parts.scheme, parts.hostname, port)
        has_user = parts.username is not None or parts.password is not None
    except ValueError:
        raise InvalidUpstreamResponseError("the service's nextLink is not a URL") from None
    ours = (endpoint.scheme, endpoint.host, endpoint.port)
    relative = not parts.scheme and not parts.netloc
    if has_user or not (relative or origin == ours) or parts.path != path:
        raise InvalidUpstreamResponseError(
            "the service's nextLink leads away from the list it is part of"
        )
    if not is_query(parts.query):
        raise InvalidUpstreamResponseError("the service's nextLink has no query that could be sent")
    return parts.query
