"""Links to the next page: sent unchanged, and only within the same list."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.gateways import Running, failure_of
from support.rosters import QUERY, pages, roster_pages, until_failure
from support.samples import UNREADABLE

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.services.convert import page_tokens


def list_targets(running: Running) -> list[str]:
    return [entry.target for entry in running.emulator.journal if entry.operation == "ListRooms"]


async def test_the_query_of_a_link_is_sent_unchanged(
    running: Running,
) -> None:
    query = f"nextLink=a%2Fb%2fc+d~*'e;f:g@h/?{'x' * 2752}&{QUERY}".replace("'", "!")
    link = f"{running.emulator.endpoint}/rooms?{query}"
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=link))
    _, failed = await until_failure(running)
    assert list_targets(running)[1] == f"/rooms?{query}"
    assert (
        failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    )  # the emulator rejects this token


HOSTILE = {
    "foreign host": "{other}/rooms?nextLink=x&{query}",
    "other port": "http://127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "port zero": "http://127.0.0.1:0/rooms?nextLink=x&{query}",
    "missing port": "http://127.0.0.1/rooms?nextLink=x&{query}",
    "other name of the same host": "http://localhost:{port}/rooms?nextLink=x&{query}",
    "other scheme": "https://127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "scheme of a file": "file:///rooms?nextLink=x&{query}",
    "userinfo equal to the upstream": "http://127.0.0.1:{port}@127.0.0.1:{other_port}/rooms?nextLink=x",
    "userinfo": "http://user:key@127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "empty userinfo": "http://@127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "no scheme": "//127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "no scheme, same authority": "//127.0.0.1:{port}/rooms?nextLink=x&{query}",
    "backslashes": "http:\\\\127.0.0.1:{other_port}/rooms?nextLink=x&{query}",
    "backslash before userinfo": "http://127.0.0.1:{other_port}\\@127.0.0.1:{port}/rooms?a=b",
    "other path": "{ours}/rooms/994?{query}",
    "path above": "{ours}/?{query}",
    "longer path": "{ours}/rooms/?nextLink=x&{query}",
    "path with dots": "{ours}/rooms/../rooms?nextLink=x&{query}",
    "path with encoded dots": "{ours}/rooms/%2e%2e/rooms?nextLink=x&{query}",
    "path in other case": "{ours}/Rooms?nextLink=x&{query}",
    "encoded path": "{ours}/%72ooms?nextLink=x&{query}",
    "relative path": "rooms?nextLink=x&{query}",
    "query alone": "?nextLink=x&{query}",
    "single word": "next",
    "no query": "{ours}/rooms",
    "empty query": "{ours}/rooms?",
    "fragment": "{ours}/rooms?nextLink=x&{query}#there",
    "empty fragment": "{ours}/rooms?nextLink=x&{query}#",
    "line break": "{ours}/rooms?nextLink=x\r\nX-Injected: 1\r\n&{query}",
    "line break alone": "{ours}/rooms?nextLink=x\n&{query}",
    "line break in the path": "{ours}/ro\noms?nextLink=x&{query}",
    "blank": "{ours}/rooms?nextLink=x y&{query}",
    "blank before": " {ours}/rooms?nextLink=x&{query}",
    "tab": "{ours}/rooms?next\tLink=x&{query}",
    "NUL": "{ours}/rooms?nextLink=x\0&{query}",
    "not ASCII": "{ours}/rooms?nextLink=é&{query}",
    "broken escape": "{ours}/rooms?nextLink=%zz&{query}",
    "quotes": "{ours}/rooms?nextLink='x'&{query}",
    "malformed port": "http://127.0.0.1:port/rooms?nextLink=x&{query}",
    "port out of range": "http://127.0.0.1:99999/rooms?nextLink=x&{query}",
    "broken address": "http://[127.0.0.1/rooms?nextLink=x&{query}",
    "longer than any request line": "{ours}/rooms?nextLink=" + "x" * 8001,
}


@pytest.fixture
async def other() -> AsyncIterator[Emulator]:
    """Run another server that must not receive a request."""
    async with Emulator() as emulator:
        yield emulator


@pytest.mark.proves("S36")
@pytest.mark.parametrize("link", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_foreign_link_is_not_followed(running: Running, other: Emulator, link: str) -> None:
    """No request goes to the other server or to the upstream."""
    running.emulator.store.seed(90)
    link = link.format(
        ours=running.emulator.endpoint,
        port=running.emulator.endpoint.rpartition(":")[2],
        other=other.endpoint.replace("127.0.0.1", "localhost"),
        other_port=other.endpoint.rpartition(":")[2],
        query=QUERY,
    )
    running.emulator.faults.add(Fault(operation="ListRooms", skip=1, next_link=link))
    seen, failed = await until_failure(running)
    assert (failed.code, failed.reason) == UNREADABLE
    assert [len(page.rooms) for page in seen] == [30]
    assert running.requests() == 2
    assert len(other.journal) == 0


@pytest.mark.proves("S36")
async def test_a_link_to_another_room_is_not_followed(running: Running) -> None:
    first, second = running.emulator.store.seed(2, participants=3)
    for path in (f"/rooms/{second}/participants", f"/rooms/{first}", "/rooms"):
        link = f"{running.emulator.endpoint}{path}?nextLink=x&{QUERY}"
        running.emulator.faults.add(Fault(operation="ListParticipants", next_link=link))
        failed = await failure_of(roster_pages(running, first))
        assert (failed.code, failed.reason) == UNREADABLE
    assert running.requests() == 3


async def test_a_relative_link_to_the_list_is_followed(
    running: Running,
) -> None:
    """By RFC 3986 it has the origin of the list, so no other host receives a request."""
    running.emulator.store.seed(60)
    second = (await pages(running))[0].next_page_token
    query = page_tokens.decode(second, running.resource, "ListRooms")
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=f"/rooms?{query}"))
    assert [len(page.rooms) for page in await pages(running)] == [30, 30]


async def test_an_empty_link_ends_a_list(running: Running) -> None:
    running.emulator.store.seed(60)
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=""))
    (page,) = await pages(running)
    assert page.next_page_token == ""


@pytest.mark.proves("S37")
@pytest.mark.parametrize("length", [1, 2, 5])
async def test_a_cycle_of_links_is_an_error(running: Running, length: int) -> None:
    """Each link of a cycle is followed once."""
    running.emulator.store.seed(10)
    links = [f"{running.emulator.endpoint}/rooms?{QUERY}&round={n}" for n in range(length)]
    for link in [*links, *links]:
        running.emulator.faults.add(Fault(operation="ListRooms", next_link=link))
    seen, failed = await until_failure(running)
    assert (failed.code, failed.reason) == UNREADABLE
    assert len(seen) == running.requests() == length + 1


async def test_a_cycle_to_the_resumed_page_is_an_error(
    running: Running,
) -> None:
    running.emulator.store.seed(10)
    link = f"{running.emulator.endpoint}/rooms?{QUERY}&round=0"
    running.emulator.faults.add(Fault(operation="ListRooms", next_link=link, count=None))
    token = page_tokens.encode(f"{QUERY}&round=0", running.resource, "ListRooms")
    failed = await failure_of(pages(running, token))
    assert (failed.code, failed.reason) == UNREADABLE
    assert running.requests() == 1
