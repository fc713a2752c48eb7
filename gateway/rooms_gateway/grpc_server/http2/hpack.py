"""HPACK, the compression of header fields (RFC 7541).

Decoding is here, because one pass over a request's block is a tenth of what the library takes; its
tables and Huffman codes are the library's. Encoding uses no dynamic table, and so needs no state.
"""

from __future__ import annotations

from functools import lru_cache

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

Field = tuple[bytes, bytes]

TABLE_SIZE = 4096
"""The size of the dynamic table that a client may use, in bytes: the initial setting."""

_OVERHEAD = 32
"""What an entry or a field counts in addition to name and value (RFC 7541, 4.1)."""

_STATIC: tuple[Field, ...] = tuple(
    (bytes(name), bytes(value)) for name, value in HeaderTable.STATIC_TABLE
)
_FIRST_DYNAMIC = len(_STATIC) + 1
_FIRST_BYTE_OF_DYNAMIC = 0x80 | _FIRST_DYNAMIC
_NEWEST_BY_FIRST_BYTE = _FIRST_BYTE_OF_DYNAMIC - 1

# The first bytes of fields (RFC 7541, 6) and strings (5.2), and the flag of integers (5.1).
_INDEXED, _WITH_INDEXING, _SIZE_UPDATE = 0x80, 0x40, 0x20
_LONG_INDEX = 0xFF
_HUFFMAN = _MORE = 0x80
_LENGTH_PREFIX = 0x7F

_MAX_SHIFT = 21
"""Integers of more than four bytes after the prefix are far above any limit."""

_MAX_SIZE_UPDATES = 2
"""The smallest and the last size since the block before (RFC 7541, 4.2)."""

_CACHED_LENGTH = 1024


class CompressionError(Exception):
    """A block that cannot be decoded: the state of the connection is lost."""


class HeaderListTooLargeError(CompressionError):
    """A block that decodes to more than `Decoder.max_list`."""


class Decoder:
    """Decodes the blocks of one connection, in their order."""

    __slots__ = ("_entries", "_limit", "_size", "last_size", "max_list")

    def __init__(self, max_list: int) -> None:
        """Decode up to `max_list` bytes, as SETTINGS_MAX_HEADER_LIST_SIZE counts them."""
        self.max_list = max_list
        self.last_size = 0
        """The size of the last decoded list, in bytes as `max_list`."""
        self._entries: list[Field] = []
        """The dynamic table, the oldest entry first."""
        self._size = 0
        self._limit = TABLE_SIZE

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a block. Raises CompressionError."""
        try:
            return self._decode(block)
        except (IndexError, HPACKDecodingError):
            # The first: the block ends within a field.
            raise CompressionError("malformed header block") from None

    def _decode(self, block: bytes) -> list[Field]:
        entries, left = self._entries, self.max_list
        fields: list[Field] = []
        position, end, updates = 0, len(block), 0
        while position < end:
            first = block[position]
            position += 1
            if first >= _INDEXED:
                # The usual cases of `_field`, without its call.
                if _FIRST_BYTE_OF_DYNAMIC <= first < _LONG_INDEX:
                    field = entries[_NEWEST_BY_FIRST_BYTE - first]
                else:
                    index, position = _prefixed(block, position, first, 0x7F)
                    field = self._field(index)
            elif _SIZE_UPDATE <= first < _WITH_INDEXING:
                updates += 1
                if fields or updates > _MAX_SIZE_UPDATES:
                    raise CompressionError("a table size update after a field, or too many")
                size, position = _prefixed(block, position, first, 0x1F)
                self._resize(size)
                continue
            else:
                indexed = first >= _WITH_INDEXING
                index, position = _prefixed(block, position, first, 0x3F if indexed else 0x0F)
                if index:
                    name = self._field(index)[0]
                else:
                    name, position = _string(block, position, left)
                value, position = _string(block, position, left)
                field = (name, value)
                if indexed:
                    self._add(field)
            left -= len(field[0]) + len(field[1]) + _OVERHEAD
            if left < 0:
                raise HeaderListTooLargeError
            fields.append(field)
        self.last_size = self.max_list - left
        return fields

    def _field(self, index: int) -> Field:
        if index < _FIRST_DYNAMIC:
            if not index:
                raise CompressionError("index 0")
            return _STATIC[index - 1]
        index -= _FIRST_DYNAMIC
        if index >= len(self._entries):
            raise CompressionError("an index beyond the table")
        return self._entries[-1 - index]

    def _add(self, field: Field) -> None:
        size = len(field[0]) + len(field[1]) + _OVERHEAD
        self._evict(self._limit - size)
        if size <= self._limit:
            self._entries.append(field)
            self._size += size

    def _resize(self, size: int) -> None:
        if size > TABLE_SIZE:
            raise CompressionError("a table above the size of the setting")
        self._limit = size
        self._evict(size)

    def _evict(self, size: int) -> None:
        """Evict the oldest entries until the table takes `size` bytes at most."""
        evicted = 0
        while self._size > size and evicted < len(self._entries):
            name, value = self._entries[evicted]
            self._size -= len(name) + len(value) + _OVERHEAD
            evicted += 1
        if evicted:
            del self._entries[:evicted]


def _prefixed(block: bytes, position: int, first: int, mask: int) -> tuple[int, int]:
    """Return an integer with its prefix in `first`, and the position after it."""
    value = first & mask
    return (value, position) if value < mask else _integer(block, position, mask)


def _integer(block: bytes, position: int, value: int) -> tuple[int, int]:
    """Return an integer that begins with a full prefix, and the position after it (5.1)."""
    shift = 0
    while True:
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        if byte < _MORE:
            return value, position
        shift += 7
        if shift > _MAX_SHIFT:
            raise CompressionError("an integer above any limit")


def _string(block: bytes, position: int, limit: int) -> tuple[bytes, int]:
    """Return a string and the position after it (5.2)."""
    first = block[position]
    length, position = _prefixed(block, position + 1, first, 0x7F)
    end = position + length
    if end > len(block):
        raise CompressionError("a string beyond its block")
    found = block[position:end]
    if first >= _HUFFMAN:
        found = _decode_huffman(found) if length <= _CACHED_LENGTH else decode_huffman(found)
    if len(found) > limit:
        raise HeaderListTooLargeError
    return found, end


# Values come again in most calls, and the library decodes a byte in 0.2 µs.
_decode_huffman = lru_cache(maxsize=512)(decode_huffman)


def literal(name: bytes, value: bytes) -> bytes:
    """Encode a field without indexing (6.2.2)."""
    return b"\0" + _length(len(name)) + name + _length(len(value)) + value


def _length(number: int) -> bytes:
    """Encode the length of a string that is not Huffman-coded (5.1)."""
    if number < _LENGTH_PREFIX:
        return bytes((number,))
    rest, encoded = number - _LENGTH_PREFIX, bytearray((_LENGTH_PREFIX,))
    while rest >= _MORE:
        encoded.append(rest & 0x7F | _MORE)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
