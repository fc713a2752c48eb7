"""Random bytes of HTTP/2 clients: valid frames in any order, and mutations of them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from random import Random

from support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Headers,
    frame,
    header_frames,
    headers_of,
    message,
)

PATHS = ("/s/Echo", "/s/Repeat", "/s/Chat", "/s/None")
NONE: Headers = {}
OTHERS: tuple[Headers, ...] = (
    *(NONE,) * 6,
    {"grpc-encoding": "gzip"},
    {"grpc-encoding": "br"},
    {"grpc-timeout": "1n"},
    {"grpc-timeout": "99999999H"},
    {"x-bin": "AA,AA=="},
    {"content-length": "7"},
    {"content-type": "text/plain"},
    {":method": "GET"},
    {"x": b"\0"},
    {"Upper": "x"},
)
WORDS = (0, 1, 2, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
ZIPPED = message(gzip.compress(bytes(300_000)), compressed=1)


def _headers(random: Random) -> bytes:
    flags = random.choice((0, 0, END_STREAM))
    fields = headers_of(random.choice(PATHS), random.choice(OTHERS)).items()
    return header_frames(_stream(random), fields, flags)


def _call(random: Random) -> bytes:
    stream = _stream(random)
    fields = headers_of(random.choice(PATHS), random.choice(OTHERS[:7])).items()
    return header_frames(stream, fields) + frame(DATA, END_STREAM, stream, _messages(random))


def _messages(random: Random) -> bytes:
    body = random.choice(
        (
            *(message(random.randbytes(random.randrange(40))) for _ in range(3)),
            message(bytes(random.randrange(16_000))),
            ZIPPED,
            message(b"x", length=random.choice((0, 5, 70_000, 2**32 - 1))),
            message(b"x", compressed=random.randrange(256)),
            b"",
        )
    )
    return body[: random.choice((len(body), len(body) // 2, 3))] if random.random() < 0.2 else body


def _stream(random: Random) -> int:
    return random.choice((1, 1, 1, 3, 3, 5, 7, 9, 0, 2, random.randrange(60), 2**31 - 1))


def _word(random: Random) -> bytes:
    return struct.pack(">I", random.choice(WORDS))


FRAMES: tuple[Callable[[Random], bytes], ...] = (
    _call,
    _call,
    _headers,
    _headers,
    lambda random: frame(DATA, random.choice((0, END_STREAM)), _stream(random), _messages(random)),
    lambda random: frame(RST_STREAM, 0, _stream(random), _word(random)),
    lambda random: frame(SETTINGS, 0, 0, struct.pack(">H", random.randrange(8)) + _word(random)),
    lambda random: frame(SETTINGS, random.choice((0, ACK)), 0),
    lambda random: frame(PING, random.choice((0, ACK)), 0, random.choice((bytes(8), b"goaway 1"))),
    lambda random: frame(WINDOW_UPDATE, 0, _stream(random), _word(random)),
    lambda _: frame(GOAWAY, 0, 0, bytes(8)),
    lambda random: frame(2, 0, _stream(random), _word(random) + b"\0"),
    lambda random: frame(
        random.choice((HEADERS, CONTINUATION)),
        random.choice((0, END_HEADERS, END_HEADERS | END_STREAM)),
        _stream(random),
        random.randbytes(random.randrange(30)),
    ),
    lambda random: frame(
        random.randrange(12), random.randrange(256), _stream(random), random.randbytes(10)
    ),
)


def script(random: Random) -> bytes:
    """Return the bytes of a connection: mostly valid frames, in an order that mostly is not."""
    parts = [random.choice(FRAMES)(random) for _ in range(random.randrange(1, 12))]
    data = PREFACE + frame(SETTINGS, 0, 0) + b"".join(parts)
    return mutated(random, data) if random.random() < 0.5 else data


def mutated(random: Random, data: bytes) -> bytes:
    """Change, remove, repeat or insert a few bytes after the preface."""
    changed = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(PREFACE), len(changed) + 1)
        size = random.choice((1, 1, 2, 9, 30))
        kind = random.randrange(4)
        if kind == 0:
            changed[at : at + size] = random.randbytes(min(size, len(changed) - at))
        elif kind == 1:
            del changed[at : at + size]
        elif kind == 2:
            changed[at:at] = changed[at : at + size]
        else:
            changed[at:at] = random.randbytes(size)
    return bytes(changed)


def split(random: Random, data: bytes) -> list[bytes]:
    """Cut bytes into the reads of a server."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 2, 5))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
