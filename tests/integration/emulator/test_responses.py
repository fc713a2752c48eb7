"""Headers and framing of responses, and malformed HTTP over a raw socket."""

from __future__ import annotations

import asyncio
import re
from email.utils import parsedate_to_datetime

import pytest
from support.signed_requests import VERSION, Client, Signer, exchange

from rooms_emulator import Emulator

TARGET = f"/rooms?api-version={VERSION}"


def raw(endpoint: str, method: str, target: str, body: bytes = b"", *lines: str) -> bytes:
    """Return a signed HTTP/1.1 request with additional header lines."""
    signer = Signer(endpoint.removeprefix("http://"))
    head = [f"{method} {target} HTTP/1.1", f"Host: {signer.host}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in signer.headers(method, target, body).items()]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_every_response_has_the_service_headers(client: Client, method: str) -> None:
    """Errors have them too, and no response has a header that no recording shows."""
    response = await client.call(method, "/rooms", {} if method == "POST" else None)
    lines = response.headers
    assert response.status == {"POST": 201, "GET": 200, "DELETE": 405}[method]
    assert lines["Content-Type"] == "application/json; charset=utf-8"
    assert lines["Transfer-Encoding"] == "chunked"
    assert lines["Request-Context"] == "appId="
    assert lines["Strict-Transport-Security"] == "max-age=31536000;includeSubDomains"
    assert lines["X-Cache"] == "CONFIG_NOCACHE"
    assert lines["Connection"] == "keep-alive"
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}\.0", lines["MS-CV"])
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{32}", lines["x-azure-ref"])
    assert parsedate_to_datetime(lines["Date"]).strftime("%Y%m%dT%H%M%SZ") in lines["x-azure-ref"]
    assert lines["api-supported-versions"] == (
        "2023-06-14, 2023-10-30-preview, 2024-04-15, 2025-03-13"
    )
    for absent in (
        "Content-Length",
        "ETag",
        "Retry-After",
        "api-deprecated-versions",
        "x-ms-request-id",
        "x-ms-client-request-id",
        "Access-Control-Allow-Origin",
    ):
        assert absent not in lines


async def test_request_ids_are_unique(client: Client) -> None:
    responses = [await client.call("GET", "/rooms") for _ in range(5)]
    assert len({response.headers["MS-CV"] for response in responses}) == 5


async def test_a_204_has_no_framing_headers(emulator: Emulator, client: Client) -> None:
    (room_id,) = emulator.store.seed(1)
    response = await client.call("DELETE", f"/rooms/{room_id}")
    assert response.status == 204
    for absent in ("Content-Type", "Content-Length", "Transfer-Encoding"):
        assert absent not in response.headers


async def test_json_has_no_spaces(client: Client) -> None:
    response = await client.call("POST", "/rooms", {})
    assert b" " not in response.body
    assert (await client.call("GET", "/rooms")).body == b'{"value":[' + response.body + b"]}"


async def test_http_1_0_gets_content_length(emulator: Emulator) -> None:
    sent = raw(emulator.endpoint, "GET", TARGET).replace(b"HTTP/1.1", b"HTTP/1.0")
    head, _, body = (await exchange(emulator.endpoint, sent)).partition(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"Content-Length: 12" in head
    assert body == b'{"value":[]}'


async def test_expect_100_continue(emulator: Emulator) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
    response = await exchange(
        emulator.endpoint, raw(emulator.endpoint, "POST", TARGET, b"{}", *lines)
    )
    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")


async def test_chunked_request_body(emulator: Emulator) -> None:
    """The signature covers the content, not the framing."""
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    request = raw(emulator.endpoint, "POST", TARGET, b"{}", *lines)
    sent = request.removesuffix(b"{}") + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert (await exchange(emulator.endpoint, sent)).startswith(b"HTTP/1.1 201 Created")


async def test_request_bodies_are_not_decompressed(emulator: Emulator, client: Client) -> None:
    """The signature covers the bytes as sent, and a gzip bomb must stay small."""
    lines = {"Content-Encoding": "gzip"}
    response = await client.call("POST", "/rooms", b"{}", headers=lines)
    assert response.status == 201
    assert [entry.body for entry in emulator.journal] == [b"{}"]


async def test_a_body_above_1_mib_is_413(emulator: Emulator, client: Client) -> None:
    response = await client.call("POST", "/rooms", b" " * (1 << 20) + b"{}")
    assert (response.status, response.error["code"]) == (413, "RequestEntityTooLarge")
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    request = raw(emulator.endpoint, "POST", TARGET, b"", *lines)
    chunks = (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17 + b"0\r\n\r\n"
    assert (await exchange(emulator.endpoint, request + chunks)).startswith(b"HTTP/1.1 413 ")
    full = await client.call("POST", "/rooms", b"{}" + b" " * ((1 << 20) - 2))
    assert full.status == 201


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /rooms?x=" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /r\xc3\xa9oms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /rooms HTTP/1.1\r\nHost: \xc3\xa9\r\nConnection: close\r\n\r\n",
        b"GET /rooms HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n",
        b"POST /rooms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
)
async def test_malformed_http_is_400(emulator: Emulator, client: Client, sent: bytes) -> None:
    """The connection is closed, and the next client is served."""
    assert b" 400 Bad Request" in await exchange(emulator.endpoint, sent)
    assert (await client.call("GET", "/rooms")).status == 200


@pytest.mark.parametrize("target", ["http://127.0.0.1/rooms", "//rooms", "/rooms%3Fx", "/%72ooms"])
async def test_paths_are_not_normalized(emulator: Emulator, target: str) -> None:
    response = await exchange(emulator.endpoint, raw(emulator.endpoint, "GET", target))
    assert response.startswith(b"HTTP/1.1 404 ")


async def test_dot_segments_are_not_resolved(emulator: Emulator) -> None:
    for target in ("/rooms/../rooms", "/rooms/..", "/rooms/%2e%2e%2frooms"):
        response = await exchange(emulator.endpoint, raw(emulator.endpoint, "GET", target))
        assert re.match(rb"HTTP/1.1 40[04] ", response)


async def test_a_client_disconnects_during_its_body(emulator: Emulator, client: Client) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 100")
    sent = raw(emulator.endpoint, "POST", TARGET, b"{", *lines)
    host, _, port = client.signer.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    writer.transport.abort()
    assert await reader.read() == b""
    assert (await client.call("GET", "/rooms")).json == {"value": []}
