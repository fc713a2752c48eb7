"""The end of the server in the event loop, and of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import grpc
import pytest
import uvloop
from support.echo_service import ECHO, HOLD, serving
from support.gateways import only_loop
from support.http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    frame,
    frames,
    header_frames,
    headers_of,
    message,
)

from rooms_gateway.grpc_server.limits import Limits

pytestmark = only_loop

LONG = 60.0

Frame = tuple[int, int, int, bytes]


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
@pytest.mark.parametrize("rounds", range(6))
def test_stop_ends_while_connections_arrive(
    new_loop: Callable[[], asyncio.AbstractEventLoop], rounds: int
) -> None:
    """Whatever the state of their acceptance is: `rounds` of the loop after they were made."""

    async def main() -> None:
        async with serving() as serves:
            opened = [asyncio.ensure_future(serves.connect()) for _ in range(20)]
            for _ in range(rounds):
                await asyncio.sleep(0)
            async with asyncio.timeout(LONG):
                await serves.server.stop(None)
            for each in opened:
                with suppress(OSError):
                    _, writer = await each
                    writer.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_stop_waits_for_calls_within_the_grace() -> None:
    async with serving() as serves, serves.channel() as channel:
        call = channel.unary_unary(HOLD)(b"x")
        while not serves.service.started:
            await asyncio.sleep(0.01)
        stopped = asyncio.ensure_future(serves.server.stop(LONG))
        await asyncio.sleep(0.05)
        assert not stopped.done()
        serves.service.release.set()
        assert await call == b"x"
        await stopped


async def test_calls_beyond_the_grace_are_unavailable() -> None:
    async with serving() as serves, serves.channel() as channel:
        call = channel.unary_unary(HOLD)(b"x")
        while not serves.service.started:
            await asyncio.sleep(0.01)
        await serves.server.stop(0.05)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert serves.service.cancelled == 1


async def test_calls_under_way_are_served_in_a_drain() -> None:
    """Until the client has received the first GOAWAY, as RFC 9113, 6.8, proposes."""
    async with serving() as serves:
        reader, writer = await serves.connect()
        writer.write(PREFACE + frame(SETTINGS, 0, 0))
        seen = frames(reader)
        await _next(seen, SETTINGS)
        stopped = asyncio.ensure_future(serves.server.stop(LONG))
        _, _, _, payload = await _next(seen, GOAWAY)
        assert int.from_bytes(payload[:4]) == 2**31 - 1
        _, _, _, ping = await _next(seen, PING)
        # Sent before the client read the GOAWAY.
        writer.write(
            header_frames(1, headers_of(ECHO).items()) + frame(DATA, END_STREAM, 1, message(b"x"))
        )
        _, _, stream, _ = await _next(seen, HEADERS)
        assert stream == 1
        writer.write(frame(PING, ACK, 0, ping))
        _, _, _, payload = await _next(seen, GOAWAY)
        assert int.from_bytes(payload[:4]) == 1
        assert [each async for each in seen if each[0] == GOAWAY] == []
        await stopped
        writer.close()


async def _next(seen: AsyncGenerator[Frame, None], kind: int) -> Frame:
    while (found := await anext(seen))[0] != kind:
        pass
    return found


async def test_connections_of_age_end_after_their_calls() -> None:
    async with (
        serving(Limits(max_connection_age=0.1, age_grace=LONG)) as serves,
        serves.channel() as channel,
    ):
        call = channel.unary_unary(HOLD)(b"x")
        while not serves.service.started:
            await asyncio.sleep(0.01)
        [first] = serves.server.connections
        while len(serves.server.connections) < 2:
            # The client opens another connection for its next calls.
            assert await channel.unary_unary(ECHO)(b"y") == b"y"
        serves.service.release.set()
        assert await call == b"x"
        while first in serves.server.connections:
            await asyncio.sleep(0.01)


async def test_dead_clients_are_disconnected() -> None:
    """A client that does not respond to pings."""
    async with serving(Limits(keepalive=0.5, keepalive_timeout=0.5)) as serves:
        reader, writer = await serves.connect()
        writer.write(PREFACE + frame(SETTINGS, 0, 0))
        kinds = [kind async for kind, flags, _, _ in frames(reader) if not flags & ACK]
        assert kinds.count(PING) == 1
        writer.close()
