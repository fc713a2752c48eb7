"""HTTP/2 frames: numbers and serialization (RFC 9113, sections 4, 6 and 7)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The first bytes of each client (section 3.4)."""

DATA = 0
HEADERS = 1
PRIORITY = 2
RST_STREAM = 3
SETTINGS = 4
PUSH_PROMISE = 5
PING = 6
GOAWAY = 7
WINDOW_UPDATE = 8
CONTINUATION = 9

ACK = 0x1
END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEADER_TABLE_SIZE = 1
ENABLE_PUSH = 2
MAX_CONCURRENT_STREAMS = 3
INITIAL_WINDOW_SIZE = 4
MAX_FRAME_SIZE = 5
MAX_HEADER_LIST_SIZE = 6

HEAD_LENGTH = 9
PRIORITY_LENGTH = 5
WORD_LENGTH = 4
SETTING_LENGTH = 6
PING_LENGTH = 8
MIN_GOAWAY_LENGTH = 8
MAX_PAYLOAD = 16_384
"""The limit of each frame in both directions: the initial one of SETTINGS_MAX_FRAME_SIZE."""
LARGEST_MAX_FRAME_SIZE = 2**24 - 1
DEFAULT_WINDOW = 65_535
MAX_WINDOW = 2**31 - 1
MAX_STREAM_ID = 2**31 - 1

HEAD = Struct(">BHBBI")
"""Two parts of the payload's length, type, flags, stream."""
SETTING = Struct(">HI")
WORD = Struct(">I")
_TWO_WORDS = Struct(">II")


class ErrorCode(IntEnum):
    """Error codes (section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Http2Error(Exception):
    """An error that ends the connection; the text is that of GOAWAY."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Serialize a frame with up to `MAX_PAYLOAD` bytes of payload."""
    return HEAD.pack(0, len(payload), kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    """Serialize a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*pair) for pair in values.items()))


def rst_stream(stream: int, code: ErrorCode) -> bytes:
    """Serialize a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, WORD.pack(code))


def goaway(last_stream: int, code: ErrorCode, reason: str = "") -> bytes:
    """Serialize a GOAWAY frame with a `reason` for operators."""
    return frame(GOAWAY, 0, 0, _TWO_WORDS.pack(last_stream, code) + reason.encode())


def window_update(stream: int, increment: int) -> bytes:
    """Serialize a WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, WORD.pack(increment))


def header_frames(stream: int, block: bytes, *, end: bool) -> bytes:
    """Serialize a header block, in as many frames as it needs; `end` ends the stream."""
    flags = END_STREAM if end else 0
    if len(block) <= MAX_PAYLOAD:
        return HEAD.pack(0, len(block), HEADERS, flags | END_HEADERS, stream) + block
    parts = [block[at : at + MAX_PAYLOAD] for at in range(0, len(block), MAX_PAYLOAD)]
    frames = [frame(HEADERS, flags, stream, parts[0])]
    frames += [frame(CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    return b"".join((*frames, frame(CONTINUATION, END_HEADERS, stream, parts[-1])))


def unpadded(payload: bytes) -> bytes:
    """Return a payload without its padding (6.1). Raises Http2Error."""
    if not payload:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "the padding has no length")
    padding = payload[0]
    if padding >= len(payload):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the padding is longer than its frame")
    return payload[1 : len(payload) - padding]


def read_settings(payload: bytes) -> dict[int, int]:
    """Return the settings in a payload, of each the last value (6.5). Raises Http2Error."""
    if len(payload) % SETTING_LENGTH:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "settings have 6 bytes each")
    found = {}
    for setting, value in SETTING.iter_unpack(payload):
        if setting == ENABLE_PUSH and value > 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH must be 0 or 1")
        if setting == MAX_FRAME_SIZE and not MAX_PAYLOAD <= value <= LARGEST_MAX_FRAME_SIZE:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
        if setting == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is out of range")
        found[setting] = value
    return found


def expect(length: int, payload: bytes, name: str) -> None:
    """Raise Http2Error unless the payload of a frame has a length in bytes."""
    if len(payload) != length:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"{name} must have {length} bytes")


def expect_connection(number: int, name: str) -> None:
    """Raise Http2Error if a frame is of a stream."""
    if number:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{name} of a stream")
