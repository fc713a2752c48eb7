"""An upstream that costs next to nothing: the same room to everybody, and lists without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ROOM_ID = "99400000000000001"
_ROOM = (
    b'{"id":"%s","createdAt":"2026-01-01T00:00:00.0000000+00:00","validFrom":'
    b'"2026-01-01T00:00:00.0000000+00:00","validUntil":"2026-06-01T00:00:00.0000000+00:00",'
    b'"pstnDialOutEnabled":false}' % ROOM_ID.encode()
)


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class _Stub(asyncio.Protocol):
    """One connection; requests are told apart by their first line, and have no bodies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._pages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self._link = f"http://{host}:{port}/rooms?api-version=2025-03-13&page=".encode()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *heads, self._buffer = self._buffer.split(b"\r\n\r\n")
        for head in heads:
            if not head.startswith(b"GET /rooms?"):
                self._transport.write(_answer(_ROOM))  # type: ignore[attr-defined]
                continue
            page = head.partition(b"page=")[2].partition(b" ")[0] or b"0"
            link = self._link + str(int(page) + 1).encode()
            body = b'{"value":[%s],"nextLink":"%s"}' % (_ROOM, link)
            self._transport.write(_answer(body))  # type: ignore[attr-defined]


@asynccontextmanager
async def stub() -> AsyncIterator[str]:
    """Serve on a free port; give the endpoint."""
    server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0, backlog=1024)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
