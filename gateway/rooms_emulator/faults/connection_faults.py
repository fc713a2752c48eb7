"""Faults of the connection: aborted, truncated and slow responses."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import HttpVersion11, web

from rooms_emulator.faults.model import Fault
from rooms_emulator.http.messages import EncodedResponse

# Linger on, for zero seconds: close sends RST instead of FIN and drops unsent data.
_NO_LINGER = struct.pack("ii", 1, 0)
# Shortest interval between two writes of a slow body, in seconds.
_WRITE_INTERVAL = 0.02


def abort(request: web.BaseRequest, *, reset: bool = False) -> web.StreamResponse:
    """Close the connection at once, without a response; with a TCP reset if `reset` is set."""
    if request.transport is not None:
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        request.transport.abort()
    # aiohttp requires a response object; on a closed connection it writes nothing.
    return web.Response()


async def send(
    request: web.BaseRequest, encoded: EncodedResponse, fault: Fault
) -> web.StreamResponse:
    """Send a response slowly, or with a truncated body, as the fault specifies."""
    body = encoded.body or b""
    response = web.StreamResponse(status=encoded.status, headers=encoded.headers)
    if encoded.chunked and request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(body)
    try:
        await response.prepare(request)
        await _write(response, body[: fault.truncate], fault.drip)
    except ConnectionError:
        # Expected: clients under test time out and disconnect during such a response.
        return response
    if fault.truncate is None:
        await response.write_eof()
    elif fault.reset:
        return abort(request, reset=True)
    elif request.transport is not None:
        request.transport.close()
    return response


async def _write(response: web.StreamResponse, body: bytes, drip: float | None) -> None:
    if drip is None:
        await response.write(body)
        return
    size = max(int(drip * _WRITE_INTERVAL), 1)
    for start in range(0, len(body), size):
        if start:
            await asyncio.sleep(size / drip)
        await response.write(body[start : start + size])
