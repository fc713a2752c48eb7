"""Paged lists: iteration with one page of read-ahead, and validation of `nextLink`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.upstream.endpoint import DEFAULT_PORTS, Endpoint

T = TypeVar("T")

# Printable ASCII except space and "#", which starts a fragment.
_LINK = re.compile(r'[!"$-~]+')

# RFC 3986, section 3.4, minus the quote, which some clients encode. Possessive quantifiers: page
# links have thousands of characters, and backtracking cannot find another match.
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&()*+,;=:@/?]++|%[0-9A-Fa-f]{2})++")

MAX_QUERY_LENGTH = 8000
"""Length of a query, in characters; servers reject request lines above about 8 kB."""


@dataclass(frozen=True, slots=True)
class PageWithNext(Generic[T]):
    """One page of a list, with the query of the next page."""

    items: list[T]
    next_query: str | None
    """Query that reads the next page; None on the last page only."""


Fetch = Callable[[str | None], Awaitable[PageWithNext[T]]]
"""Reads the page for a query; None reads the first page."""


async def iterate_pages(
    fetch: Fetch[T], start: str | None = None, limit: int = 0, *, read_ahead: bool = True
) -> AsyncGenerator[PageWithNext[T], None]:
    """Yield pages from the query `start` on, at most `limit` of them (0: all).

    Reads one page ahead and no more, so a slow consumer slows the reading down; without
    `read_ahead`, none. Raises InvalidUpstreamResponseError, after the page that contains it, if a
    link repeats; and whatever `fetch` raises.
    """
    # Hashes, because a link has up to 8 kB and the number of pages is unlimited.
    followed = {hash(start)}
    ahead: asyncio.Future[PageWithNext[T]] | None = None
    count = 0
    try:
        page = await fetch(start)
        while True:
            count += 1
            query = page.next_query
            has_more = query is not None and count != limit
            repeated = has_more and hash(query) in followed
            if has_more and not repeated:
                followed.add(hash(query))
                if read_ahead:
                    ahead = asyncio.ensure_future(fetch(query))
            yield page
            if repeated:
                raise InvalidUpstreamResponseError(
                    "the Rooms service sent a nextLink that leads back to an earlier page"
                )
            if not has_more:
                return
            page = await (fetch(query) if ahead is None else ahead)
    finally:
        if ahead is not None:
            ahead.cancel()
            # gather also retrieves the exception; asyncio logs exceptions never retrieved.
            await asyncio.gather(ahead, return_exceptions=True)


def is_query(text: str) -> bool:
    """Return whether `text` can follow the `?` of a request line unchanged."""
    return len(text) <= MAX_QUERY_LENGTH and _QUERY.fullmatch(text) is not None


def safe_next_query(link: str, endpoint: Endpoint, path: str) -> str:
    """Return the query of `link`, a `nextLink` in a list read from `path` on `endpoint`.

    The link is untrusted: as a URL, it could direct a signed request to any host. Raises
    InvalidUpstreamResponseError if it is malformed or has another origin or path.
    """
    # Checked before urlsplit, which removes line breaks and tabs.
    if _LINK.fullmatch(link) is None:
        raise InvalidUpstreamResponseError("the Rooms service sent a nextLink that is not a URL")
    try:
        parts = urlsplit(link)
        port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
        origin = (parts.scheme, parts.hostname, port)
        has_user = parts.username is not None or parts.password is not None
    except ValueError:
        raise InvalidUpstreamResponseError(
            "the Rooms service sent a nextLink that is not a URL"
        ) from None
    same_origin = origin == (endpoint.scheme, endpoint.host, endpoint.port)
    relative = not parts.scheme and not parts.netloc
    if has_user or not (relative or same_origin) or parts.path != path:
        raise InvalidUpstreamResponseError(
            "the Rooms service sent a nextLink to another host or path"
        )
    if not is_query(parts.query):
        raise InvalidUpstreamResponseError(
            "the Rooms service sent a nextLink with an empty or invalid query"
        )
    return parts.query
