"""Tunnels through an HTTP proxy: the CONNECT method (RFC 9110, section 9.3.6).

Only the status line and the end of the head matter, so this needs no HTTP library.
"""

from __future__ import annotations

import asyncio
import re
import socket

from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.transport.causes import Cause

_MAX_HEAD = 16384
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r]")

_SUCCESSFUL = range(200, 300)
_REJECTED = range(300, 500)
_TRANSIENT = frozenset({408, 429})
_CREDENTIALS = 407


async def open_tunnel(sock: socket.socket, authority: str, authorization: str) -> Cause | None:
    """Ask the proxy that `sock` is connected to for a tunnel to `authority`, as `host:port`.

    Returns the cause if there is none; None: further bytes reach `authority`. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    credentials = f"Proxy-Authorization: {authorization}\r\n" if authorization else ""
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n"
    await loop.sock_sendall(sock, head.encode("ascii"))
    response = b""
    while _END not in response and len(response) < _MAX_HEAD:
        received = await loop.sock_recv(sock, 4096)
        if not received:
            break
        response += received
    return _cause(response, authority, with_credentials=bool(authorization))


def _cause(response: bytes, authority: str, *, with_credentials: bool) -> Cause | None:
    if not response:
        return AttemptFailure.PROXY, "closed the connection without a response"
    match = _STATUS.match(response)
    if match is None or _END not in response:
        return AttemptFailure.PROXY, "the response is not HTTP; is it a proxy?"
    if int(match[1]) not in _SUCCESSFUL:
        return _rejection(int(match[1]), authority, with_credentials=with_credentials)
    if response.endswith(_END) and response.count(_END) == 1:
        return None
    # The TLS client speaks first, so further bytes are not from the endpoint.
    return AttemptFailure.PROXY, "the response has bytes after its head"


def _rejection(status: int, authority: str, *, with_credentials: bool) -> Cause:
    if status == _CREDENTIALS:
        verb, remedy = ("rejects", "check") if with_credentials else ("requires", "pass")
        return AttemptFailure.PROXY_REJECTED, (
            f"{verb} credentials (HTTP status 407); {remedy} --upstream-proxy-credentials-file"
        )
    if status in _REJECTED and status not in _TRANSIENT:
        return AttemptFailure.PROXY_REJECTED, (
            f"rejects connections to {authority} (HTTP status {status}); allow CONNECT there"
        )
    return AttemptFailure.PROXY, f"cannot connect now (HTTP status {status})"
