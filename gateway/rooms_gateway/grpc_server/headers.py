"""Header fields of gRPC over HTTP/2: requests, metadata, statuses.

The rules are those of RFC 9113, section 8, and of grpc's doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from rooms_gateway.grpc_server.http2.fields import NAME, VALUE, MalformedError
from rooms_gateway.grpc_server.http2.hpack import Field, literal

Metadata = tuple[tuple[str, str | bytes], ...]

CONTENT_TYPE = b"application/grpc"
_TYPES = (CONTENT_TYPE, b"application/grpc+proto")
_TYPES_WITH_PARAMETERS = tuple(each + b";" for each in _TYPES)
_BINARY = "-bin"

(
    _METHOD,
    _SCHEME,
    _PATH,
    _AUTHORITY,
    _TE,
    _TYPE,
    _TIMEOUT,
    _ENCODING,
    _LENGTH,
    _FORBIDDEN,
    _IGNORED,
) = range(11)

_KINDS = {
    b":method": _METHOD,
    b":scheme": _SCHEME,
    b":path": _PATH,
    b":authority": _AUTHORITY,
    b"te": _TE,
    b"content-type": _TYPE,
    b"grpc-timeout": _TIMEOUT,
    b"grpc-encoding": _ENCODING,
    b"content-length": _LENGTH,
    **dict.fromkeys(
        (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"),
        _FORBIDDEN,
    ),
    **dict.fromkeys((b"grpc-accept-encoding", b"accept-encoding", b"host"), _IGNORED),
}
"""Fields that are no metadata."""

_TIMEOUT_VALUE = re.compile(rb"([0-9]{1,8})([HMSmun])")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MAX_VALUES = 64
"""Of a binary field, joined by commas: each is decoded alone."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_UNSAFE = re.compile(rb"[^ -$&-~]")
"""What grpc-message percent-encodes."""


class NotGrpcError(Exception):
    """A request of another protocol, with the HTTP status of the response."""

    def __init__(self, status: int, length: int | None) -> None:
        super().__init__(status)
        self.status = status
        self.length = length
        """The content-length."""


class InvalidCallError(Exception):
    """A gRPC request that cannot be served; the text is that of the status."""


@dataclass(slots=True)
class Request:
    """The header fields of a call."""

    path: bytes
    timeout: float | None
    """In seconds."""
    encoding: bytes
    """Of the messages; empty for identity."""
    length: int | None
    """The content-length."""
    metadata: Metadata


def read_request(fields: Iterable[Field]) -> Request:  # noqa: C901, PLR0912 - one pass, for each call
    """Read the header fields of a call.

    Raises MalformedError, NotGrpcError or InvalidCallError.
    """
    pseudo: list[bytes | None] = [None, None, None, None]
    metadata: list[tuple[str, str | bytes]] = []
    content_type = encoding = b""
    timeout = length = None
    regular = False
    for name, value in fields:
        kind = _KINDS.get(name)
        if kind is None:
            regular = True
            metadata.append(_metadatum(name, value))
        elif kind <= _AUTHORITY:
            if regular or pseudo[kind] is not None:
                raise MalformedError
            pseudo[kind] = value
        else:
            regular = True
            if kind == _TYPE:
                content_type = value
            elif kind == _TE:
                if value != b"trailers":
                    raise MalformedError
            elif kind == _TIMEOUT:
                timeout = value
            elif kind == _ENCODING:
                encoding = b"" if value == b"identity" else value
            elif kind == _LENGTH:
                if not _DIGITS.fullmatch(value) or length not in (None, value):
                    raise MalformedError
                length = value
            elif kind == _FORBIDDEN:
                raise MalformedError
    method, scheme, path, _ = pseudo
    if not method or not scheme or not path:
        raise MalformedError
    size = None if length is None else int(length)
    if content_type not in _TYPES and not content_type.startswith(_TYPES_WITH_PARAMETERS):
        if content_type.startswith(b"application/grpc+"):
            raise InvalidCallError("only application/grpc+proto is supported")
        raise NotGrpcError(415, size)
    if method != b"POST":
        raise NotGrpcError(405, size)
    return Request(
        path,
        None if timeout is None else _timeout(timeout),
        encoding,
        size,
        tuple(metadata),
    )


def _metadatum(name: bytes, value: bytes) -> tuple[str, str | bytes]:
    if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
        raise MalformedError
    key = name.decode("ascii")
    if key.endswith(_BINARY):
        return key, _decode_binary(key, value)
    try:
        return key, value.decode()
    except UnicodeDecodeError:
        return key, value.decode("latin-1")


def _decode_binary(key: str, value: bytes) -> bytes:
    # Of several values, a proxy may have made one field; the decoded form has no separator.
    decoded = []
    parts = value.split(b",")
    if len(parts) > _MAX_VALUES:
        raise InvalidCallError(f"metadata {key} has more than {_MAX_VALUES} values")
    for part in parts:
        stripped = part.strip()
        try:
            if _BASE64.fullmatch(stripped) is None:
                raise Error
            decoded.append(
                a2b_base64(stripped.rstrip(b"=") + b"=" * (-len(stripped.rstrip(b"=")) % 4))
            )
        except Error:
            raise InvalidCallError(f"malformed metadata {key}: it is not base64") from None
    return b",".join(decoded)


def _timeout(value: bytes) -> float:
    found = _TIMEOUT_VALUE.fullmatch(value)
    if found is None:
        raise InvalidCallError("malformed grpc-timeout: send 1 to 8 digits and a unit")
    return int(found[1]) * _SECONDS[found[2]]


def encode_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Encode metadata as a part of a header block. Raises ValueError."""
    parts = []
    for key, value in metadata:
        name = key.encode("ascii")
        if key.endswith(_BINARY):
            raw = b64encode(value.encode() if isinstance(value, str) else value).rstrip(b"=")
        else:
            raw = value.encode() if isinstance(value, str) else value
        if NAME.fullmatch(name) is None or VALUE.fullmatch(raw) is None:
            raise ValueError(f"metadata {key!r} cannot be sent")
        parts.append(literal(name, raw))
    return b"".join(parts)


# :status 200 is entry 8 of the static table.
INITIAL = b"\x88" + literal(b"content-type", CONTENT_TYPE)
"""The start of each response."""

_STATUSES = {code: literal(b"grpc-status", b"%d" % code.value[0]) for code in grpc.StatusCode}
OK = _STATUSES[grpc.StatusCode.OK]

ACCEPT_ENCODING = literal(b"grpc-accept-encoding", b"identity,deflate,gzip")


def encode_status(code: grpc.StatusCode, details: str) -> bytes:
    """Encode a status as a part of a header block."""
    if not details:
        return _STATUSES[code]
    text = _UNSAFE.sub(lambda byte: b"%%%02X" % byte[0][0], details.encode("utf-8", "replace"))
    return _STATUSES[code] + literal(b"grpc-message", text)


def http_response(status: int, length: int) -> bytes:
    """Encode the header block of a response to a request that is not gRPC."""
    return b"".join(
        (
            literal(b":status", b"%d" % status),
            literal(b"content-type", b"text/plain; charset=utf-8"),
            literal(b"content-length", b"%d" % length),
        )
    )
