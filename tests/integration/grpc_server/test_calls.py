"""Calls of grpcio's clients to the server in the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from support.echo_service import COLLECT, ECHO, EXPAND, HOLD, RELAY, serving
from support.gateways import only_loop

from rooms_gateway.grpc_server.limits import Limits

pytestmark = only_loop

GZIP = grpc.Compression.Gzip
DEFLATE = grpc.Compression.Deflate
LARGE = 3_000_000


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 65_536, LARGE])
@pytest.mark.parametrize("compression", [None, GZIP, DEFLATE], ids=["plain", "gzip", "deflate"])
async def test_messages_of_any_size_arrive(size: int, compression: Any) -> None:
    """Below and above frames, windows and buffers, in both directions."""
    async with serving() as serves, serves.channel(("grpc.max_receive_message_length", -1)) as to:
        message = bytes(range(256)) * (size // 256 + 1)
        message = message[:size]
        assert await to.unary_unary(ECHO)(message, compression=compression) == message


async def test_streams_of_requests_arrive_in_order() -> None:
    async with serving() as serves, serves.channel() as channel:
        messages = [str(number).encode() * (number % 700) for number in range(2000)]
        assert await channel.stream_unary(COLLECT)(iter(messages)) == b"".join(messages)
        relayed = channel.stream_stream(RELAY)(iter(messages))
        assert [message async for message in relayed] == messages


async def test_a_stream_waits_for_its_reader() -> None:
    """No more is written than the windows of the client take."""
    async with serving() as serves, serves.channel() as channel:
        call = channel.unary_stream(EXPAND)(b"100000")
        await call.read()
        written = 0
        while written != serves.service.written:
            written = serves.service.written
            await asyncio.sleep(0.2)
        assert written < 50_000
        call.cancel()


async def test_calls_beyond_the_limit_wait() -> None:
    """Grpcio's clients keep them until others end."""
    async with serving(Limits(max_streams=3)) as serves, serves.channel() as channel:
        calls = [channel.unary_unary(HOLD)(str(number).encode()) for number in range(10)]
        done = asyncio.gather(*calls)
        while serves.service.started < 3:
            await asyncio.sleep(0.01)
        assert await channel.unary_unary(ECHO)(b"", timeout=0.1).code() is (
            grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert serves.service.started == 3
        serves.service.release.set()
        assert await done == [str(number).encode() for number in range(10)]


async def test_a_deadline_cancels_the_handler() -> None:
    async with serving() as serves, serves.channel() as channel:
        code = await channel.unary_unary(HOLD)(b"", timeout=0.1).code()
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        while not serves.service.cancelled:
            await asyncio.sleep(0.01)


async def test_a_cancelled_call_cancels_its_handler() -> None:
    async with serving() as serves, serves.channel() as channel:
        call = channel.unary_unary(HOLD)(b"")
        while not serves.service.started:
            await asyncio.sleep(0.01)
        call.cancel()
        while not serves.service.cancelled:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"x" * 1001, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (b"x" * 1000, grpc.StatusCode.OK),
    ],
    ids=["above", "at"],
)
@pytest.mark.parametrize("compression", [None, GZIP], ids=["plain", "gzip"])
async def test_message_size_is_limited(
    sent: bytes, code: grpc.StatusCode, compression: Any
) -> None:
    """Also after decompression."""
    async with serving(Limits(max_message=1000)) as serves, serves.channel() as channel:
        assert await channel.unary_unary(ECHO)(sent, compression=compression).code() is code


async def test_metadata_above_the_limit_is_rejected() -> None:
    """At every size, never at random."""
    async with serving(Limits(max_header_list=4096)) as serves:
        for size in range(2000, 9000, 500):
            # A client that does not know the limit: its first call is sent before the settings.
            async with serves.channel() as channel:
                metadata = (("x-large", "x" * size),)
                code = await channel.unary_unary(ECHO)(b"", metadata=metadata).code()
                above = size + 500 > 4096
                assert code is (
                    grpc.StatusCode.RESOURCE_EXHAUSTED if above else grpc.StatusCode.OK
                ), size
