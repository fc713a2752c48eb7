"""An upstream with fixed responses that counts requests and bytes."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.guard.kinds import BYTES, REQUESTS
from benchmarks.service_headers import response

ROOM_ID = "99400000000000001"
ROOMS = 30
"""Rooms on the only page of the list."""

_ROOM = (
    b'{"id":"%s","createdAt":"2026-01-01T00:00:00.1234567+00:00","validFrom":'
    b'"2026-01-01T00:00:00.0000000+00:00","validUntil":"2026-06-01T00:00:00.0000000+00:00",'
    b'"pstnDialOutEnabled":false}' % ROOM_ID.encode()
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


_RESPONSES = {
    b"GET /rooms?": response(b'{"value":[%s]}' % b",".join([_ROOM] * ROOMS)),
    b"GET /rooms/": response(_ROOM),
    b"PATCH /rooms/": response(b"{}"),
}


class _Connection(asyncio.Protocol):
    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._counts[BYTES.name] += len(data)
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(rest) < (int(length[1]) if length else 0):
            return
        self._buffer = b""
        self._counts[REQUESTS.name] += 1
        [found] = (each for start, each in _RESPONSES.items() if head.startswith(start))
        self._transport.write(found)  # type: ignore[attr-defined]


@contextmanager
def running(counts: Counter[str]) -> Iterator[int]:
    """Run an upstream on a separate thread; yield its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(lambda: _Connection(counts), "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
