"""Iteration over pages that are held in memory, without HTTP."""

from __future__ import annotations

import asyncio
import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms_gateway.errors import InvalidUpstreamResponseError, UpstreamUnavailableError
from rooms_gateway.upstream.paging import PageWithNext, iterate_pages


class LinkedPages:
    """A list of numbered pages, each with the query of the next."""

    def __init__(self, leads_to: list[str | None]) -> None:
        self._leads_to = leads_to
        self.queries: list[str | None] = []

    async def fetch(self, query: str | None) -> PageWithNext[str]:
        self.queries.append(query)
        await asyncio.sleep(0)
        number = 0 if query is None else int(query)
        return PageWithNext([f"item {number}"], self._leads_to[number])


def linear(length: int) -> LinkedPages:
    return LinkedPages([*(str(number) for number in range(1, length)), None])


@given(length=st.integers(1, 8), start=st.integers(0, 7), limit=st.integers(0, 10))
@settings(deadline=None)
def test_pages_are_read_once_and_in_order(length: int, start: int, limit: int) -> None:
    """From the start to the limit, or to the end of the list."""
    start %= length
    chain = linear(length)

    async def read() -> list[str]:
        pages = iterate_pages(chain.fetch, str(start) if start else None, limit)
        return [item async for page in pages for item in page.items]

    items = asyncio.run(read())
    last = min(length, start + limit) if limit else length
    assert items == [f"item {number}" for number in range(start, last)]
    assert len(chain.queries) == last - start


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(0, 5))
@settings(deadline=None)
def test_an_endless_list_sends_no_query_twice(leads_to: list[int], start: int) -> None:
    chain = LinkedPages([str(number) for number in leads_to])

    async def read() -> None:
        async for _ in iterate_pages(chain.fetch, str(start)):
            pass

    with pytest.raises(InvalidUpstreamResponseError):
        asyncio.run(read())
    assert len(chain.queries) == len(set(chain.queries))


@pytest.mark.proves("S14")
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
@settings(deadline=None)
def test_read_ahead_is_at_most_one_page(pauses: list[int]) -> None:
    """However slow the reader is."""
    chain = linear(8)

    async def read() -> None:
        pages = iterate_pages(chain.fetch)
        for count, pause in enumerate(pauses, start=1):
            await anext(pages)
            for _ in range(pause * 3):
                await asyncio.sleep(0)
            assert len(chain.queries) <= count + 1
        await pages.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(read())


async def test_read_ahead_errors_reach_the_reader() -> None:
    async def fetch(query: str | None) -> PageWithNext[str]:
        if query:
            raise UpstreamUnavailableError("gone")
        return PageWithNext(["first"], "next")

    pages = iterate_pages(fetch)
    assert (await anext(pages)).items == ["first"]
    await asyncio.sleep(0.01)
    with pytest.raises(UpstreamUnavailableError):
        await anext(pages)


async def test_unread_read_ahead_errors_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Otherwise asyncio logs its traceback when it is garbage-collected."""

    async def fetch(query: str | None) -> PageWithNext[str]:
        if query:
            raise UpstreamUnavailableError("gone")
        return PageWithNext(["first"], "next")

    pages = iterate_pages(fetch)
    await anext(pages)
    await asyncio.sleep(0.01)
    await pages.aclose()
    del pages
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.records == []


async def test_closing_the_list_stops_the_read_ahead() -> None:
    stopped = []

    async def fetch(query: str | None) -> PageWithNext[str]:
        if query:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(query)
        return PageWithNext(["first"], "next")

    pages = iterate_pages(fetch)
    await anext(pages)
    await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        await pages.aclose()
    assert stopped == ["next"]
