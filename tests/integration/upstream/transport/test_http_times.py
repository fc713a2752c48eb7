"""Timeouts of requests: one for each, without a leftover timer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.upstreams import (
    Scripted,
    client_of,
    echo,
    exchange,
    on_both_loops,
    run_on,
    scripted,
    silence,
)

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import AttemptError


@on_both_loops
def test_a_finished_request_leaves_no_timer(loop_factory: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with scripted(echo) as server, client_of(server) as client:
            await exchange(client, seconds=1)
            # A later timer: one left behind has fired by then.
            over = loop.create_future()
            loop.call_at(loop.time() + 1.05, over.set_result, None)
            await over
            assert client._pool._idle[0].usable

    run_on(loop_factory, main())


@on_both_loops
def test_each_request_has_its_own_timeout(loop_factory: Any) -> None:
    """Also on a connection that is used again."""

    async def late(state: Scripted, *peer: Any) -> None:
        await asyncio.sleep(1.2)
        await echo(state, *peer)

    async def main() -> None:
        async with scripted(echo, late, silence) as server, client_of(server) as client:
            await exchange(client, seconds=1)
            assert (await exchange(client, seconds=30)).status == 200
            with pytest.raises(AttemptError) as raised:
                async with asyncio.timeout(10):
                    await exchange(client, seconds=0.05)
            assert raised.value.kind is AttemptFailure.TIMEOUT
            assert server.connections == 1

    run_on(loop_factory, main())
