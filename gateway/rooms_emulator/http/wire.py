"""Reading of request bodies and sending of responses, by way of aiohttp."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import HttpVersion11, web

from rooms_emulator import problems
from rooms_emulator.http.messages import EncodedResponse

# A full roster is about 45 KB of JSON.
MAX_BODY_BYTES = 1 << 20


async def receive(request: web.BaseRequest) -> bytes:
    """Read the body. It is not decompressed, because the signature covers the bytes as sent.

    Raises ServiceError if the body is larger than 1 MiB (status 413) or its framing is broken
    (400).
    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp sends no error response once output_size is above 0.
        request.writer.output_size = 0
    body = b""
    try:
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except web.RequestPayloadError:
        raise problems.bad_request("The framing of the request body is invalid.") from None
    return body


def port_of(request: web.BaseRequest) -> int:
    """Return the local port of the connection; 0 if it is closed."""
    transport = request.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    return int(address[1]) if address else 0


async def send(request: web.BaseRequest, encoded: EncodedResponse) -> web.StreamResponse:
    """Send a response."""
    response = web.Response(status=encoded.status, headers=encoded.headers, body=encoded.body)
    if encoded.chunked and request.version >= HttpVersion11 and encoded.body is not None:
        response.enable_chunked_encoding()
    if request.keep_alive:
        response.headers["Connection"] = "keep-alive"
    return response
