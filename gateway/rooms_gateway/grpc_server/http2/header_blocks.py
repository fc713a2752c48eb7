"""Header blocks of one connection: joined from their frames, and decoded (RFC 9113, 4.3)."""

from __future__ import annotations

from rooms_gateway.grpc_server.http2.frames import ErrorCode, Http2Error
from rooms_gateway.grpc_server.http2.hpack import (
    CompressionError,
    Decoder,
    Field,
    HeaderListTooLargeError,
)

_MAX_BLOCK = 32_768
"""Bytes of a block, compressed."""
_MAX_PARTS = 16
"""Frames of a block."""
_MAX_LIST = 65_536
"""Bytes of a list that is decoded to be rejected by a status; a longer one ends the connection."""


class HeaderBlocks:
    """Joins and decodes blocks, each of which depends on those before."""

    __slots__ = ("_parts", "decoder", "end", "number", "part", "since")

    def __init__(self) -> None:
        self.decoder = Decoder(_MAX_LIST)
        self.part: bytearray | None = None
        """The start of a block of which further frames must follow."""
        self._parts = 0
        self.number = 0
        """The stream of the block in progress."""
        self.end = False
        """Whether that block ends its stream."""
        self.since = 0.0
        """When it began, in seconds of the running clock."""

    def begin(self, number: int, part: bytes, now: float, *, end: bool) -> None:
        """Take the first part of a block that has several."""
        self.part, self._parts = bytearray(part), 1
        self.number, self.end, self.since = number, end, now

    def add(self, number: int, part: bytes) -> None:
        """Take a further part. Raises Http2Error."""
        if self.part is None or number != self.number:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "a continuation of no header block")
        self.part += part
        self._parts += 1
        if len(self.part) > _MAX_BLOCK or self._parts > _MAX_PARTS:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header block is too large")

    def take(self) -> bytes:
        """Return the block, which is complete."""
        part, self.part = self.part or bytearray(), None
        return bytes(part)

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a block. Raises Http2Error."""
        try:
            return self.decoder.decode(block)
        except HeaderListTooLargeError:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "a header list is too large") from None
        except CompressionError as error:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, str(error)) from None
