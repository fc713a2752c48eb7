"""HTTP/2 and gRPC written by hand, for what no client would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress

from google.protobuf.message import Message

WINDOW_OF_0 = struct.pack(">HI", 4, 0)
"""A setting with which not a byte of a message can be sent back."""


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4

_FRAME_SIZE = 16_384
"""The largest payload that everybody takes (RFC 9113, 4.2)."""

Headers = Mapping[str, str | bytes]


def unary_call(
    path: str, request: Message, headers: Headers | None = None, settings: bytes = b""
) -> bytes:
    """Write a connection's only call."""
    named = headers_of(path, headers)
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, settings)
        + header_frames(1, named.items())
        + frame(DATA, END_STREAM, 1, message(request.SerializeToString()))
    )


def headers_of(path: str, others: Headers | None = None) -> dict[str, str | bytes]:
    """Return the headers of a call; `others` go before what is usual."""
    return {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **(others or {}),
    }


def header_frames(stream: int, headers: Iterable[tuple[str, str | bytes]], flags: int = 0) -> bytes:
    """Write headers as plain literals (RFC 7541, 6.2.2), in as many frames as they need."""
    block = b"".join(_literal(*header) for header in headers)
    parts = [block[at : at + _FRAME_SIZE] for at in range(0, len(block), _FRAME_SIZE)]
    frames = bytearray()
    for number, part in enumerate(parts):
        kind, own = (CONTINUATION, 0) if number else (HEADERS, flags)
        last = END_HEADERS if number == len(parts) - 1 else 0
        frames += frame(kind, own | last, stream, part)
    return bytes(frames)


def message(body: bytes, *, compressed: int = 0, length: int | None = None) -> bytes:
    """Write the prefix of gRPC and a body; `length` is what the prefix says, if that is a lie."""
    return struct.pack(">BI", compressed, len(body) if length is None else length) + body


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame as RFC 9113, 4.1, says."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


async def frames(
    reader: asyncio.StreamReader,
) -> AsyncGenerator[tuple[int, int, int, bytes], None]:
    """Read kind, flags, stream and payload of frames until the connection is closed."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readexactly(9)
            stream = int.from_bytes(head[5:]) & 0x7FFF_FFFF
            yield head[3], head[4], stream, await reader.readexactly(int.from_bytes(head[:3]))


def _literal(name: str, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return b"\0" + _length(len(name)) + name.encode() + _length(len(raw)) + raw


def _length(number: int) -> bytes:
    """Write a whole number with a prefix of 7 bits (RFC 7541, 5.1)."""
    if number < 127:
        return bytes([number])
    rest, encoded = number - 127, bytearray([127])
    while rest >= 128:
        encoded.append(rest % 128 + 128)
        rest //= 128
    return bytes([*encoded, rest])
