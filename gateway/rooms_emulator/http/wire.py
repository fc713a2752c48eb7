"""The one place that reads and writes HTTP: bytes in, a ``Reply`` out."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web

from rooms_emulator import problems

# A full roster is about 45 KB of JSON.
LARGEST_BODY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to be written; ``None`` is no body, and so no ``Content-Type``."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


async def receive(request: web.BaseRequest) -> bytes:
    """Read the body, as it came: nothing is decompressed, because the signature covers the bytes.

    Raises:
        ServiceError: the body is larger than 1 MiB (status 413) or not framed rightly (400).

    """
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > LARGEST_BODY:
        raise problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # So that the status line to come is not taken for one that was sent before.
        request.writer.output_size = 0
    body = b""
    try:
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > LARGEST_BODY:
                raise problems.of_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except web.RequestPayloadError:
        raise problems.bad_request("The request body is not framed rightly.") from None
    return body


async def send(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Write an answer, chunked as the service does."""
    response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    if request.version >= HttpVersion11 and reply.body is not None:
        response.enable_chunked_encoding()
    if request.keep_alive:
        response.headers["Connection"] = "keep-alive"
    return response
