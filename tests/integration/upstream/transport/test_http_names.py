"""DNS lookups: shared, and replaced by the last known addresses while DNS does not work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rooms_gateway.upstream.transport import names
from rooms_gateway.upstream.transport.names import Resolver

ADDRESSES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Resolver]:
    """Make a resolver whose lookups run the next of some functions, and then the last again."""

    def make(*lookups: Callable[[], Awaitable[list[Any]]]) -> Resolver:
        left = list(lookups)

        async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
            return await (left.pop(0) if len(left) > 1 else left[0])()

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return Resolver("rooms.example", 443)

    return make


async def found() -> list[Any]:
    return ADDRESSES


async def fails() -> list[Any]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def hangs() -> list[Any]:
    await asyncio.Event().wait()
    return []


async def test_known_addresses_replace_a_failed_lookup(
    resolver: Callable[..., Resolver], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning is logged for each outage."""
    caplog.set_level("WARNING")
    of_example = resolver(found, fails, fails, found, fails)
    for _ in range(5):
        assert await of_example.addresses() == ADDRESSES
    warning = (
        "cannot look up rooms.example: Name or service not known; using the addresses of the last "
        "successful lookup"
    )
    assert caplog.messages == [warning, warning]


async def test_known_addresses_replace_a_slow_lookup(
    resolver: Callable[..., Resolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lookup goes on, and its result is used as soon as there is one."""
    other = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.2", 443))]
    respond = asyncio.Event()

    async def slow() -> list[Any]:
        await respond.wait()
        return other

    monkeypatch.setattr(names, "STALE_AFTER", 0.01)
    of_example = resolver(found, slow)
    assert await of_example.addresses() == ADDRESSES
    assert await of_example.addresses() == ADDRESSES
    respond.set()
    monkeypatch.setattr(names, "STALE_AFTER", 60)
    assert await of_example.addresses() == other


async def test_a_failed_first_lookup_is_raised(
    resolver: Callable[..., Resolver],
) -> None:
    of_example = resolver(fails, found)
    with pytest.raises(socket.gaierror):
        await of_example.addresses()
    assert await of_example.addresses() == ADDRESSES


async def test_closing_cancels_the_lookup(resolver: Callable[..., Resolver]) -> None:
    of_example = resolver(hangs)
    waiting = asyncio.ensure_future(of_example.addresses())
    await asyncio.sleep(0)
    of_example.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
