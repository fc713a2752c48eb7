"""HTTP itself: headers, framing, and requests that only a raw socket can send."""

import asyncio
import re
from email.utils import parsedate_to_datetime

import pytest
from support.signed_requests import VERSION, Client, Signer, exchange

from rooms_emulator import Emulator

TARGET = f"/rooms?api-version={VERSION}"


def raw(endpoint: str, method: str, target: str, body: bytes = b"", *lines: str) -> bytes:
    """Write a signed HTTP/1.1 request, with these lines added to its head."""
    signer = Signer(endpoint.removeprefix("http://"))
    head = [f"{method} {target} HTTP/1.1", f"Host: {signer.host}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in signer.headers(method, target, body).items()]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_every_answer_has_the_headers_of_the_service(client: Client, method: str) -> None:
    """Also one that reports an error, and never one that the service was not seen to send."""
    answer = await client.call(method, "/rooms", {} if method == "POST" else None)
    lines = answer.headers
    assert answer.status == {"POST": 201, "GET": 200, "DELETE": 405}[method]
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


async def test_each_answer_has_a_number_of_its_own(client: Client) -> None:
    answers = [await client.call("GET", "/rooms") for _ in range(5)]
    assert len({answer.headers["MS-CV"] for answer in answers}) == 5


async def test_an_answer_without_a_body_has_no_framing(emulator: Emulator, client: Client) -> None:
    (room_id,) = emulator.store.seed(1)
    answer = await client.call("DELETE", f"/rooms/{room_id}")
    assert answer.status == 204
    for absent in ("Content-Type", "Content-Length", "Transfer-Encoding"):
        assert absent not in answer.headers


async def test_json_is_written_without_spaces(client: Client) -> None:
    answer = await client.call("POST", "/rooms", {})
    assert b" " not in answer.body
    assert (await client.call("GET", "/rooms")).body == b'{"value":[' + answer.body + b"]}"


async def test_a_client_of_http_1_0_gets_a_length_instead_of_chunks(emulator: Emulator) -> None:
    sent = raw(emulator.endpoint, "GET", TARGET).replace(b"HTTP/1.1", b"HTTP/1.0")
    head, _, body = (await exchange(emulator.endpoint, sent)).partition(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"Content-Length: 12" in head
    assert body == b'{"value":[]}'


async def test_a_client_that_waits_for_100_continue_gets_it(emulator: Emulator) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue")
    answer = await exchange(
        emulator.endpoint, raw(emulator.endpoint, "POST", TARGET, b"{}", *lines)
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")


async def test_a_chunked_body_is_signed_without_its_framing(emulator: Emulator) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    request = raw(emulator.endpoint, "POST", TARGET, b"{}", *lines)
    sent = request.removesuffix(b"{}") + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert (await exchange(emulator.endpoint, sent)).startswith(b"HTTP/1.1 201 Created")


async def test_a_compressed_body_is_not_unpacked(emulator: Emulator, client: Client) -> None:
    """The signature covers the bytes that were sent, and a small one must not become a huge one."""
    lines = {"Content-Encoding": "gzip"}
    answer = await client.call("POST", "/rooms", b"{}", headers=lines)
    assert answer.status == 201
    assert [entry.body for entry in emulator.journal] == [b"{}"]


async def test_a_body_of_more_than_a_mebibyte_is_413(emulator: Emulator, client: Client) -> None:
    answer = await client.call("POST", "/rooms", b" " * (1 << 20) + b"{}")
    assert (answer.status, answer.error["code"]) == (413, "RequestEntityTooLarge")
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
async def test_what_is_no_http_is_400(emulator: Emulator, client: Client, sent: bytes) -> None:
    """It is refused without an error of ours, and without harm to the next client."""
    assert b" 400 Bad Request" in await exchange(emulator.endpoint, sent)
    assert (await client.call("GET", "/rooms")).status == 200


@pytest.mark.parametrize("target", ["http://127.0.0.1/rooms", "//rooms", "/rooms%3Fx", "/%72ooms"])
async def test_a_path_is_not_put_in_order(emulator: Emulator, target: str) -> None:
    answer = await exchange(emulator.endpoint, raw(emulator.endpoint, "GET", target))
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_dots_in_a_path_lead_nowhere(emulator: Emulator) -> None:
    for target in ("/rooms/../rooms", "/rooms/..", "/rooms/%2e%2e%2frooms"):
        answer = await exchange(emulator.endpoint, raw(emulator.endpoint, "GET", target))
        assert re.match(rb"HTTP/1.1 40[04] ", answer)


async def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(
    emulator: Emulator, client: Client
) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 100")
    sent = raw(emulator.endpoint, "POST", TARGET, b"{", *lines)
    host, _, port = client.signer.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    writer.transport.abort()
    assert await reader.read() == b""
    assert (await client.call("GET", "/rooms")).json == {"value": []}
