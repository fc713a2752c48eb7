"""Following a paged list: one page ahead of the reader, never more, and never in circles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rooms_gateway.errors import InvalidUpstreamResponseError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageWithNext(Generic[T]):
    """One page of a list, with the way on."""

    items: list[T]
    safe_next_query: str | None
    """The query that reads the next page; None on the last page, and only there."""


Fetch = Callable[[str | None], Awaitable[PageWithNext[T]]]
"""Reads the page that a query leads to; None is the first page."""


async def iterate_pages(
    fetch: Fetch[T], start: str | None = None, limit: int = 0
) -> AsyncGenerator[PageWithNext[T], None]:
    """Yield the pages from `start` on, `limit` of them at the most (0: all).

    While the reader is busy with a page the next one is read, but not the one after it: a slow
    reader slows the reading down. Raises InvalidUpstreamResponseError, after the page that has it, on a
    link that was followed before, and whatever `fetch` raises.
    """
    # Hashes, not the links: those are up to 8 kB each, and a list can have very many pages.
    followed = {hash(start)}
    ahead: asyncio.Future[PageWithNext[T]] | None = None
    count = 0
    try:
        page = await fetch(start)
        while True:
            count += 1
            query = page.safe_next_query
            goes_on = query is not None and count != limit
            circular = goes_on and hash(query) in followed
            if goes_on and not circular:
                followed.add(hash(query))
                ahead = asyncio.ensure_future(fetch(query))
            yield page
            if circular:
                raise InvalidUpstreamResponseError("the service's list leads in a circle")
            if ahead is None or not goes_on:
                return
            page = await ahead
    finally:
        if ahead is not None:
            ahead.cancel()
            # gather, since it also takes note of a failure that nobody will ask for any more.
            await asyncio.gather(ahead, return_exceptions=True)
