"""Header compression, against the `hpack` library."""

from __future__ import annotations

import pytest
from hpack import Decoder as Reference
from hpack import Encoder
from hpack.exceptions import HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.grpc_server.http2.hpack import (
    CompressionError,
    Decoder,
    HeaderListTooLargeError,
    literal,
)

LIMIT = 65_536
TEXTS = st.binary(max_size=40) | st.sampled_from((b"", b":path", b"te", b"trailers", b"x" * 5000))
FIELDS = st.lists(st.tuples(TEXTS, TEXTS), max_size=8)

_huffman = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def integer(prefix: int, first: int, value: int) -> bytes:
    """Encode an integer with a prefix of so many bits (RFC 7541, 5.1)."""
    mask = (1 << prefix) - 1
    if value < mask:
        return bytes((first | value,))
    encoded, value = bytearray((first | mask,)), value - mask
    while value >= 128:
        encoded.append(value % 128 | 128)
        value //= 128
    return bytes((*encoded, value))


def string(value: bytes, *, huffman: bool) -> bytes:
    raw = _huffman.encode(value) if huffman else value
    return integer(7, 0x80 if huffman else 0, len(raw)) + raw


STRINGS = st.builds(lambda value, huffman: string(value, huffman=huffman), TEXTS, st.booleans())
INDEXES = st.integers(0, 70) | st.integers(0, 2**21)
PARTS = st.one_of(
    INDEXES.map(lambda index: integer(7, 0x80, index)),
    st.builds(lambda index, value: integer(6, 0x40, index) + value, INDEXES, STRINGS),
    st.builds(lambda name, value: b"\x40" + name + value, STRINGS, STRINGS),
    st.builds(lambda name, value: b"\x10" + name + value, STRINGS, STRINGS),
    st.builds(lambda index, value: integer(4, 0, index) + value, INDEXES, STRINGS),
    st.binary(max_size=4),
)
UPDATES = st.integers(0, 4097).map(lambda size: integer(5, 0x20, size))
BLOCKS = st.lists(
    st.builds(
        lambda updates, parts: b"".join([*updates, *parts]),
        st.lists(UPDATES, max_size=2),
        st.lists(PARTS, max_size=6),
    ),
    min_size=1,
    max_size=4,
)


def decoded(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes]] | None:
    try:
        return decoder.decode(block)
    except CompressionError:
        return None


def expected(reference: Reference, block: bytes) -> list[tuple[bytes, bytes]] | None:
    try:
        fields = reference.decode(block, raw=True)
        return [(bytes(name), bytes(value)) for name, value in fields]
    except (HPACKError, IndexError):
        return None


@given(BLOCKS)
def test_blocks_decode_as_in_the_library(blocks: list[bytes]) -> None:
    """The same fields of each block, or both reject it."""
    ours, library = Decoder(LIMIT), Reference(LIMIT)
    for block in blocks:
        found = decoded(ours, block)
        assert found == expected(library, block)
        if found is None:
            return


@given(st.lists(FIELDS, max_size=4), st.booleans())
def test_blocks_of_the_library_are_decoded(
    lists: list[list[tuple[bytes, bytes]]], huffman: bool
) -> None:
    encoder, decoder = Encoder(), Decoder(2**20)
    for fields in lists:
        assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields
        size = sum(len(name) + len(value) + 32 for name, value in fields)
        assert decoder.last_size == size


@given(FIELDS)
def test_library_decodes_literals(fields: list[tuple[bytes, bytes]]) -> None:
    block = b"".join(literal(*field) for field in fields)
    assert expected(Reference(2**20), block) == fields
    assert Decoder(2**20).decode(block) == fields


@given(st.integers(0, 2**40))
def test_integers_above_any_limit_are_rejected(value: int) -> None:
    """Without computing them, and without an error of Python."""
    with pytest.raises(CompressionError):
        Decoder(LIMIT).decode(integer(7, 0x80, 62 + value))


@given(st.binary(min_size=1, max_size=20), st.integers(0, 255))
def test_padding_of_huffman_is_checked(value: bytes, last: int) -> None:
    raw = bytearray(_huffman.encode(value))
    raw[-1] = last
    block = b"\0\x01x" + integer(7, 0x80, len(raw)) + bytes(raw)
    assert decoded(Decoder(LIMIT), block) == expected(Reference(LIMIT), block)


@given(st.integers(1, 127), st.integers(1, 200))
def test_references_do_not_exceed_the_list(size: int, times: int) -> None:
    """A small block of references expands to the limit at most."""
    decoder = Decoder(1000)
    block = b"\x40" + string(b"x", huffman=False) + string(b"v" * size, huffman=False)
    block += b"\xbe" * times
    if (times + 1) * (1 + size + 32) > 1000:
        with pytest.raises(HeaderListTooLargeError):
            decoder.decode(block)
    else:
        assert len(decoder.decode(block)) == times + 1


def test_size_updates_are_limited() -> None:
    """A block has two at most; one of nothing else would take milliseconds."""
    assert Decoder(LIMIT).decode(b"\x20\x3f\xe1\x1f\x82") == [(b":method", b"GET")]
    with pytest.raises(CompressionError, match="too many"):
        Decoder(LIMIT).decode(b"\x20" * 3)


@given(st.lists(st.integers(0, 4096), min_size=1, max_size=5), FIELDS)
def test_table_stays_within_its_size(sizes: list[int], fields: list[tuple[bytes, bytes]]) -> None:
    decoder = Decoder(2**20)
    for size in sizes:
        block = integer(5, 0x20, size) + b"".join(
            b"\x40" + string(name, huffman=False) + string(value, huffman=False)
            for name, value in fields
        )
        decoder.decode(block)
        held = sum(len(name) + len(value) + 32 for name, value in decoder._entries)
        assert held == decoder._size <= size
