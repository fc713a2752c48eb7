"""gRPC messages in the bytes of a stream."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.grpc_server.messages import (
    Compressed,
    MessageError,
    MessageReader,
    frame_message,
)

LIMIT = 10_000
COMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": partial(gzip.compress, compresslevel=6),
    b"deflate": zlib.compress,
}


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_any_split_gives_the_same_messages(messages: list[bytes], cuts: list[int]) -> None:
    reader, found = MessageReader(b"", LIMIT), []
    for part in split(b"".join(map(frame_message, messages)), cuts):
        found += reader.add(part)
    assert found == messages
    assert len(reader) == 0


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=5),
    st.sampled_from(sorted(COMPRESS)),
    st.lists(st.integers(0, 2000), max_size=8),
)
def test_compressed_messages_are_restored(
    messages: list[tuple[bytes, bool]], encoding: bytes, cuts: list[int]
) -> None:
    reader, data, found = MessageReader(encoding, LIMIT), b"", []
    for body, compressed in messages:
        sent = COMPRESS[encoding](body) if compressed else body
        data += bytes((compressed,)) + len(sent).to_bytes(4) + sent
    for part in split(data, cuts):
        found += reader.add(part)
    restored = [reader.decompress(each) if type(each) is Compressed else each for each in found]
    assert restored == [body for body, _ in messages]


@pytest.mark.proves("S11")
@pytest.mark.parametrize("encoding", sorted(COMPRESS))
def test_bomb_is_not_decompressed(encoding: bytes) -> None:
    """Neither when it is received, nor beyond the limit when a handler takes it."""
    reader = MessageReader(encoding, LIMIT)
    bomb = COMPRESS[encoding](bytes(1_000_000))
    [message] = reader.add(b"\1" + len(bomb).to_bytes(4) + bomb)
    assert type(message) is Compressed
    assert message == bomb
    with pytest.raises(MessageError, match="larger than max") as raised:
        reader.decompress(message)
    assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@given(st.sampled_from(sorted(COMPRESS)), st.binary(max_size=100))
def test_invalid_compression_is_an_error(encoding: bytes, data: bytes) -> None:
    reader = MessageReader(encoding, LIMIT)
    with suppress(MessageError):
        assert len(reader.decompress(Compressed(data))) <= LIMIT


@given(st.lists(st.binary(max_size=30), max_size=9))
def test_reader_keeps_one_message_at_most(parts: list[bytes]) -> None:
    reader = MessageReader(b"gzip", 50)
    try:
        for part in parts:
            reader.add(part)
            assert len(reader) < 5 + 50 + 1
            assert reader.missing >= 0
    except MessageError:
        pass
