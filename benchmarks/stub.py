"""A minimal upstream: always the same room, and endless lists."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from benchmarks.service_headers import response

ROOM_ID = "99400000000000001"
_LATE = 0.2
"""Delay of late responses, in seconds."""
_ROOM = (
    b'{"id":"%s","createdAt":"2026-01-01T00:00:00.0000000+00:00","validFrom":'
    b'"2026-01-01T00:00:00.0000000+00:00","validUntil":"2026-06-01T00:00:00.0000000+00:00",'
    b'"pstnDialOutEnabled":false}' % ROOM_ID.encode()
)


class _Stub(asyncio.Protocol):
    """One connection; requests have no bodies, and are identified by their first line."""

    def __init__(self, late: Iterator[float]) -> None:
        self._late = late
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self._link = f"http://{host}:{port}/rooms?api-version=2025-03-13&page=".encode()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *heads, self._buffer = self._buffer.split(b"\r\n\r\n")
        for head in heads:
            if not head.startswith(b"GET /rooms?"):
                self._write(response(_ROOM))
                continue
            page = head.partition(b"page=")[2].partition(b" ")[0] or b"0"
            link = self._link + str(int(page) + 1).encode()
            body = b'{"value":[%s],"nextLink":"%s"}' % (_ROOM, link)
            self._write(response(body))

    def _write(self, response: bytes) -> None:
        write = self._transport.write  # type: ignore[attr-defined]
        late = next(self._late, 0.0)
        if late:
            asyncio.get_running_loop().call_later(late, write, response)
        else:
            write(response)


@asynccontextmanager
async def stub(late: int = 0) -> AsyncIterator[str]:
    """Serve on a free port; yield the endpoint.

    The first `late` responses are delayed, so that connection pools of clients fill at the start.
    """
    lateness = itertools.repeat(_LATE, late)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stub(lateness), "127.0.0.1", 0, backlog=1024)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
