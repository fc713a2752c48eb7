"""Messages of gRPC in the bytes of a stream: a flag, a length, a body (PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import zlib
from struct import Struct

import grpc

PREFIX = Struct(">BI")
PREFIX_LENGTH = 5

_WINDOW_BITS = {b"gzip": 31, b"deflate": 15}
"""zlib's parameter of each supported encoding."""


class MessageError(Exception):
    """Bytes that are no acceptable message, with the status that explains it."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def is_supported(encoding: bytes) -> bool:
    """Return whether messages with the grpc-encoding can be read; empty is identity."""
    return not encoding or encoding in _WINDOW_BITS


class Compressed(bytes):
    """A message that is not decompressed."""

    __slots__ = ()


class MessageReader:
    """Cuts the bytes of one request stream into messages."""

    __slots__ = ("_bytes", "_encoding", "_limit")

    def __init__(self, encoding: bytes, limit: int) -> None:
        """Read messages of up to `limit` bytes."""
        self._encoding = encoding
        self._limit = limit
        self._bytes = bytearray()

    def __len__(self) -> int:
        """Return the number of bytes of unfinished messages."""
        return len(self._bytes)

    @property
    def missing(self) -> int:
        """The number of bytes that the message in progress lacks; 0 if that is unknown."""
        if len(self._bytes) < PREFIX_LENGTH:
            return 0
        _, length = PREFIX.unpack_from(self._bytes)
        return PREFIX_LENGTH + int(length) - len(self._bytes)

    def add(self, data: bytes) -> list[bytes]:
        """Add bytes; return the messages that are complete, as sent. Raises MessageError."""
        # Usually a frame is a message.
        if not self._bytes and len(data) >= PREFIX_LENGTH:
            compressed, length = PREFIX.unpack_from(data)
            if length == len(data) - PREFIX_LENGTH and not compressed and length <= self._limit:
                return [data[PREFIX_LENGTH:]]
        pending, found, position = self._bytes, [], 0
        pending += data
        while len(pending) - position >= PREFIX_LENGTH:
            compressed, length = PREFIX.unpack_from(pending, position)
            if length > self._limit:
                raise _too_large(length, self._limit)
            end = position + PREFIX_LENGTH + length
            if end > len(pending):
                break
            body = pending[position + PREFIX_LENGTH : end]
            found.append(self._compressed(body, compressed) if compressed else bytes(body))
            position = end
        del pending[:position]
        return found

    def _compressed(self, body: bytearray, flag: int) -> Compressed:
        if flag != 1 or not self._encoding:
            raise MessageError(
                grpc.StatusCode.INTERNAL,
                "a message is marked as compressed, but grpc-encoding names no compression",
            )
        return Compressed(body)

    def decompress(self, body: Compressed) -> bytes:
        """Return a message as it was before compression. Raises MessageError.

        Only for the handler that takes it: 400 bytes become 384 KiB, and a client may send many.
        """
        decoder = zlib.decompressobj(_WINDOW_BITS[self._encoding])
        try:
            # One byte more than allowed, so that a bomb is never unpacked.
            message = decoder.decompress(body, self._limit + 1)
        except zlib.error:
            message = b""
        if len(message) > self._limit:
            raise _too_large(len(message), self._limit)
        if not decoder.eof or decoder.unused_data:
            name = self._encoding.decode()
            raise MessageError(grpc.StatusCode.INTERNAL, f"a message is no valid {name}")
        return message


def frame_message(body: bytes) -> bytes:
    """Return `body` with its prefix, not compressed."""
    return PREFIX.pack(0, len(body)) + body


def _too_large(length: int, limit: int) -> MessageError:
    return MessageError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"Received message larger than max ({length} vs. {limit})",
    )
