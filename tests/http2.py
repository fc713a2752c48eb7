"""A unary call written as HTTP/2 by hand, for what no client would send."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from google.protobuf.message import Message

WINDOW_OF_0 = struct.pack(">HI", 4, 0)
"""A setting with which not a byte of a message can be sent back."""


def unary_call(
    path: str, request: Message, headers: Mapping[str, str] | None = None, settings: bytes = b""
) -> bytes:
    """Write a call as RFC 9113 says, its headers as plain literals (RFC 7541, 6.2.2)."""
    named = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **(headers or {}),
    }
    message = request.SerializeToString()
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(4, 0, 0, settings)
        + frame(1, 0x4, 1, b"".join(_literal(*header) for header in named.items()))
        + frame(0, 0x1, 1, b"\0" + struct.pack(">I", len(message)) + message)
    )


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame as RFC 9113, 4.1, says."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
