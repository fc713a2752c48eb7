"""Answers that break off, drip, or never come: what a fault does to a connection."""

import asyncio
import socket
import struct
from typing import Final

from aiohttp import HttpVersion11, web

from rooms_emulator.faults.model import Fault
from rooms_emulator.http.wire import Reply

# On for zero seconds: closing sends RST in the place of FIN, and drops what was not sent yet.
_NO_LINGER: Final = struct.pack("ii", 1, 0)
# More often than this is not worth a write of its own.
_TICK: Final = 0.02


def hang_up(request: web.BaseRequest, *, reset: bool = False) -> web.StreamResponse:
    """Close the connection at once, without an answer."""
    if request.transport is not None:
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        request.transport.abort()
    # aiohttp wants something to write, and finds nobody to write it to.
    return web.Response()


async def send(request: web.BaseRequest, reply: Reply, fault: Fault) -> web.StreamResponse:
    """Write an answer slowly, or only so many bytes of its body, as the fault says."""
    body = reply.body or b""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(body)
    try:
        await response.prepare(request)
        await _write(response, body[: fault.truncate], fault.drip)
    except ConnectionError:
        # The client has not waited for the end, which is what such a fault is for.
        return response
    if fault.truncate is None:
        await response.write_eof()
    elif fault.reset:
        return hang_up(request, reset=True)
    elif request.transport is not None:
        request.transport.close()
    return response


async def _write(response: web.StreamResponse, body: bytes, drip: float | None) -> None:
    if drip is None:
        await response.write(body)
        return
    size = max(int(drip * _TICK), 1)
    for start in range(0, len(body), size):
        if start:
            await asyncio.sleep(size / drip)
        await response.write(body[start : start + size])
