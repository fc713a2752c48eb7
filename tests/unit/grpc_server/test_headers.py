"""Header fields of gRPC: timeouts, metadata, statuses."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import grpc
import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.grpc_server.headers import (
    InvalidCallError,
    Metadata,
    NotGrpcError,
    encode_metadata,
    encode_status,
    read_request,
)
from rooms_gateway.grpc_server.http2.fields import MalformedError

CALL = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/s/Echo"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]
KEYS = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True).map(lambda key: f"x-{key}")
TEXTS = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=30)
METADATA = st.lists(
    st.one_of(
        st.tuples(KEYS.filter(lambda key: not key.endswith("-bin")), TEXTS),
        st.tuples(KEYS.map(lambda key: f"{key}-bin"), st.binary(max_size=30)),
    ),
    max_size=6,
)


def decoded(block: bytes) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in Decoder().decode(block, raw=True)]


@given(METADATA)
def test_metadata_is_read_as_encoded(metadata: list[tuple[str, str | bytes]]) -> None:
    request = read_request(CALL + decoded(encode_metadata(metadata)))
    assert request.metadata == tuple(metadata)


@given(st.text(max_size=60), st.sampled_from(grpc.StatusCode))
def test_status_message_is_percent_encoded(text: str, code: grpc.StatusCode) -> None:
    fields = dict(decoded(encode_status(code, text)))
    assert fields[b"grpc-status"] == str(code.value[0]).encode()
    message = fields.get(b"grpc-message", b"")
    assert message.isascii()
    assert all(0x20 <= byte <= 0x7E for byte in message)
    assert unquote_to_bytes(message) == text.encode("utf-8", "replace")


UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


@given(st.integers(0, 99_999_999), st.sampled_from(sorted(UNITS)))
def test_timeout_is_in_seconds(number: int, unit: str) -> None:
    request = read_request([*CALL, (b"grpc-timeout", f"{number}{unit}".encode())])
    assert request.timeout == number * UNITS[unit]


@given(st.binary(max_size=12))
def test_other_timeouts_are_rejected(value: bytes) -> None:
    digits, unit = value[:-1], value[-1:].decode("latin-1")
    valid = unit in UNITS and 1 <= len(digits) <= 8 and digits.isascii() and digits.isdigit()
    try:
        read_request([*CALL, (b"grpc-timeout", value)])
    except InvalidCallError:
        assert not valid
    else:
        assert valid


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=30)), max_size=6))
def test_any_fields_are_read_or_rejected(fields: list[tuple[bytes, bytes]]) -> None:
    for each in (fields, CALL + fields):
        try:
            request = read_request(each)
        except (InvalidCallError, MalformedError, NotGrpcError):
            continue
        metadata: Metadata = request.metadata
        assert all(name.isascii() for name, _ in metadata)


def test_values_of_a_binary_field_are_limited() -> None:
    """A field of 4,000 commas, which a client sends in one byte, would take milliseconds."""
    assert read_request([*CALL, (b"x-bin", b"QQ," * 63 + b"QQ")]).metadata[0][1][:2] == b"A,"
    with pytest.raises(InvalidCallError, match="more than 64 values"):
        read_request([*CALL, (b"x-bin", b"," * 64)])
