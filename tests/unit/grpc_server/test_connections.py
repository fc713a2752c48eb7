"""Connections that are fed with bytes: any frames, in any pieces."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.driven import LIMITS, Driven, errors_of, server
from support.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_OF_0,
    Headers,
    frame,
    header_frames,
    headers_of,
    message,
)
from support.scripts import script, split

BEGIN = PREFACE + frame(SETTINGS, 0, 0)
CALM = 11


def call(
    stream: int, path: str = "/s/Echo", body: bytes = b"x", headers: Headers | None = None
) -> bytes:
    return header_frames(stream, headers_of(path, headers).items()) + frame(
        DATA, END_STREAM, stream, message(body)
    )


def codes(driven: Driven) -> list[int]:
    """Return the error codes of GOAWAY frames."""
    return [int.from_bytes(payload[4:8]) for kind, _, _, payload in driven.frames if kind == GOAWAY]


def ended(driven: Driven) -> list[int]:
    """Return the streams that a response has ended."""
    return [
        stream
        for kind, flags, stream, _ in driven.frames
        if kind in {HEADERS, DATA} and flags & END_STREAM
    ]


def resets(driven: Driven) -> list[int]:
    """Return the streams that the server has reset."""
    return [stream for kind, _, stream, _ in driven.frames if kind == RST_STREAM]


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_random_connection_does_no_harm(seed: int) -> None:
    """No unhandled exception, no response twice, nothing left behind."""

    async def run() -> None:
        errors, random = errors_of(asyncio.get_running_loop()), Random(seed)
        driven = Driven(server(), reads=bool(seed % 4))
        for part in split(random, script(random)):
            driven.feed(part)
            assert driven.server.budget.total <= LIMITS.max_held
        await driven.settle()
        driven.transport.read()
        await driven.settle()
        driven.check()
        await driven.end()
        assert not errors

    asyncio.run(run())


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 2000), max_size=6))
def test_any_pieces_of_bytes_give_the_same(seed: int, sizes: list[int]) -> None:
    async def sent(sizes: list[int]) -> list[tuple[int, int, int, bytes]]:
        driven, data = Driven(server()), script(Random(seed))
        # Without a pause, in which handlers could respond before an error further on.
        driven.server.turns.spent = -1e9
        for size in [*sizes, len(data)]:
            driven.feed(data[:size])
            data = data[size:]
        await driven.settle()
        # The window of the connection is widened by what was read at once.
        return [each for each in driven.frames if each[0] != 8]

    assert asyncio.run(sent(sizes)) == asyncio.run(sent([]))


FLOODS: dict[str, tuple[bytes, int]] = {
    "pings": (frame(PING, 0, 0, bytes(8)) * 9, CALM),
    "settings": (frame(SETTINGS, 0, 0) * 1001, CALM),
    "priorities": (frame(2, 0, 1, struct.pack(">IB", 3, 0)) * 1001, CALM),
    "window-updates": (frame(8, 0, 0, struct.pack(">I", 1)) * 1001, CALM),
    "window-overflow": (frame(8, 0, 0, struct.pack(">I", 2**31 - 1)), 3),
    "window-update-of-0": (frame(8, 0, 0, bytes(4)), 1),
    "unknown-frames": (frame(0xBE, 0, 0, b"x") * 1001, CALM),
    "goaways": (frame(GOAWAY, 0, 0, bytes(8)) * 1001, CALM),
    "empty-data": (
        header_frames(1, headers_of("/s/Echo").items()) + frame(DATA, 0, 1) * 1001,
        CALM,
    ),
    "continuations": (frame(HEADERS, 0, 1) + frame(9, 0, 1) * 16, CALM),
    "a-large-block": (
        frame(HEADERS, 0, 1, bytes(16_384)) + frame(9, 0, 1, bytes(16_384)) * 2,
        CALM,
    ),
    "size-updates": (frame(HEADERS, END_HEADERS, 1, b"\x20" * 3), 9),
    "streams-over-the-limit": (
        b"".join(header_frames(each, headers_of("/s/Echo").items()) for each in range(1, 2100, 2)),
        CALM,
    ),
}
"""Frames, and the code of the GOAWAY that ends their connection."""


@pytest.mark.parametrize(("sent", "code"), FLOODS.values(), ids=FLOODS)
async def test_flood_ends_with_a_code(sent: bytes, code: int) -> None:
    driven = Driven(server())
    driven.feed(BEGIN + sent)
    await driven.settle()
    assert codes(driven) == [code]
    await driven.end()


async def test_early_resets_close_the_connection() -> None:
    driven = Driven(server())
    driven.feed(BEGIN)
    for stream in range(1, 2001, 2):
        driven.feed(call(stream) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        await asyncio.sleep(0)
    await driven.settle()
    assert codes(driven) == [CALM]
    await driven.end()


async def test_resets_of_a_few_calls_are_allowed() -> None:
    """Those of less than half of the calls."""
    driven = Driven(server())
    driven.feed(BEGIN)
    for stream in range(1, 4001, 2):
        reset = frame(RST_STREAM, 0, stream, struct.pack(">I", 8)) if stream % 6 == 1 else b""
        driven.feed(call(stream) + reset)
        await driven.settle()
    assert codes(driven) == []
    assert len(ended(driven)) > 1000
    await driven.end()


async def test_client_that_does_not_read_is_not_read() -> None:
    """What its frames lead to stays within the buffer, and goes on when it reads."""
    driven = Driven(server(), reads=False)
    driven.feed(BEGIN)
    for stream in range(1, 4001, 2):
        driven.feed(header_frames(stream, headers_of("/s/None").items(), END_STREAM))
        await asyncio.sleep(0)
    await driven.settle()
    before = len(ended(driven))
    assert 0 < before < 1000
    assert len(driven.transport.written) < 64 * 1024
    driven.transport.read()
    await driven.settle()
    assert len(ended(driven)) == 2000
    await driven.end()


@pytest.mark.parametrize("calls", range(30, 50))
async def test_connection_is_read_after_its_turns(calls: int) -> None:
    """Also if its last turn ends with its last frame."""
    driven = Driven(server())
    driven.feed(BEGIN)
    driven.server.turns.pause()
    for stream in range(1, 2 * calls, 2):
        driven.feed(call(stream, body=bytes(100)))
    await driven.settle()
    assert len(ended(driven)) + len(resets(driven)) == calls
    await driven.end()


async def test_early_priority_ends_the_connection() -> None:
    """Not by a reset: the client may not know the stream (RFC 9113, 5.1)."""
    driven = Driven(server())
    driven.feed(BEGIN + frame(2, 0, 1, struct.pack(">IB", 1, 0)) + call(1))
    await driven.settle()
    assert codes(driven) == [1]
    assert not ended(driven)
    await driven.end()


async def test_unread_response_ends_at_its_deadline() -> None:
    driven = Driven(server())
    unread = PREFACE + frame(SETTINGS, 0, 0, WINDOW_OF_0)
    driven.feed(unread + call(1, headers={"grpc-timeout": "20m"}))
    async with asyncio.timeout(30):
        while driven.connection.streams:
            await asyncio.sleep(0.01)
    await driven.settle()
    assert [each[2:] for each in driven.frames if each[0] == RST_STREAM] == [
        (1, struct.pack(">I", 8))
    ]
    await driven.end()


@pytest.mark.parametrize("held", [header_frames(1, headers_of("/s/Echo").items()), b""])
async def test_oldest_half_request_gives_way(held: bytes) -> None:
    """A call by a status, a frame by the end of its connection."""
    tight = server(dataclasses.replace(LIMITS, max_held=20_000))
    first = Driven(tight)
    first.feed(BEGIN + (held or frame(DATA, 0, 1, bytes(9000))[:-1]))
    others = [Driven(tight) for _ in range(9)]
    for other in others:
        other.feed(BEGIN + header_frames(1, headers_of("/s/Echo").items()))
    await asyncio.sleep(0.2)
    assert tight.budget.total <= 20_000
    assert ended(first) == ([1] if held else [])
    assert codes(first) == ([] if held else [CALM])
    assert not ended(others[-1])
    for each in (first, *others):
        await each.end()


async def test_half_a_frame_has_a_timeout() -> None:
    """Also if bytes of it arrive; not if frames are completed."""
    limits = dataclasses.replace(LIMITS, message_timeout=0.0, keepalive=1e9)
    driven = Driven(server(limits))
    driven.feed(BEGIN)
    half = frame(PING, 0, 0, bytes(8))
    driven.feed(half[:-1])
    await driven.settle()
    driven.connection.check(0.0)
    driven.feed(half[-1:] + half[:3])
    await driven.settle()
    driven.connection.check(0.0)
    assert codes(driven) == []
    driven.connection.check(1.0)
    assert codes(driven) == [CALM]
    await driven.end()


async def test_settings_are_applied_once_per_frame() -> None:
    """The last value of each counts; a frame has up to 2,730."""
    driven = Driven(server())
    wide = struct.pack(">HI", 4, 2**20)
    driven.feed(PREFACE + frame(SETTINGS, 0, 0, WINDOW_OF_0 * 1000 + wide) + call(1))
    await driven.settle()
    assert ended(driven) == [1]
    await driven.end()


async def test_many_resets_are_remembered_cheaply() -> None:
    driven = Driven(server())
    driven.feed(BEGIN)
    for stream in range(1, 8001, 2):
        driven.feed(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x82"))
    await driven.settle()
    assert len(driven.connection.streams._ended) <= 1024
    # A late frame of the last one is ignored, one of the first is an error.
    driven.feed(frame(DATA, 0, 7999, b"x"))
    await driven.settle()
    assert codes(driven) == []
    driven.feed(frame(DATA, 0, 1, b"x"))
    await driven.settle()
    assert codes(driven) == [5]
    await driven.end()


async def test_fields_of_a_call_are_limited() -> None:
    driven = Driven(server())
    fields: Headers = {f"x-{number}": "" for number in range(100)}
    driven.feed(BEGIN + call(1, headers=fields))
    await driven.settle()
    await asyncio.sleep(0.2)
    [status] = [payload for kind, _, _, payload in driven.frames if kind == HEADERS]
    assert b"and the limits are 100 and 16384" in status
    await driven.end()
