"""Faults: their selection and their effects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ServerDisconnectedError
from support.signed_requests import Client

from rooms_emulator import Emulator, Fault
from rooms_emulator.faults.rules import Faults
from rooms_emulator.rooms import routes


async def statuses(client: Client, count: int, path: str = "/rooms") -> list[int]:
    return [(await client.call("GET", path)).status for _ in range(count)]


async def test_skip_and_count(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(operation="ListRooms", status=503, skip=1, count=2))
    assert await statuses(client, 5) == [200, 503, 503, 200, 200]


async def test_only_the_first_match_is_injected(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(operation="ListRooms", status=500))
    emulator.faults.add(Fault(operation="DeleteRoom", status=504))
    emulator.faults.add(Fault(status=502, count=2))
    emulator.faults.add(Fault(operation="ListRooms", status=429, count=None))
    assert await statuses(client, 5) == [500, 502, 502, 429, 429]
    assert await statuses(client, 1, "/rooms/1") == [400]


async def test_a_wildcard_fault_matches_unknown_paths(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    assert await statuses(client, 1, "/nowhere") == [503]


async def test_an_error_status_has_the_envelope(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(status=429, headers={"Retry-After": "7"}))
    response = await client.call("POST", "/rooms", {})
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert response.headers["x-ms-error-code"] == "TooManyRequests"
    assert response.json == {"error": {"code": "TooManyRequests", "message": "Too Many Requests."}}
    assert len(emulator.store) == 0


async def test_a_redirect_has_no_body(emulator: Emulator, client: Client) -> None:
    target = "https://example.com/"
    emulator.faults.add(Fault(status=307, headers={"Location": target}))
    response = await client.call("GET", "/rooms")
    assert (response.status, response.headers["Location"], response.body) == (307, target, b"")


@pytest.mark.parametrize(("drop", "rooms"), [("before", 0), ("after", 1)])
async def test_drop_before_and_after_the_effect(
    emulator: Emulator, client: Client, drop: Any, rooms: int
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", drop=drop))
    with pytest.raises(ServerDisconnectedError):
        await client.create()
    assert len(emulator.store) == rooms
    (entry,) = emulator.journal
    assert (entry.operation, entry.status, entry.faulty) == ("CreateRoom", None, True)


@pytest.mark.parametrize("length", [0, 5])
async def test_truncate_closes_the_connection(
    emulator: Emulator, client: Client, length: int
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", truncate=length))
    with pytest.raises(ClientPayloadError):
        await client.create()
    assert len(emulator.store) == 1
    assert await statuses(client, 1) == [200]


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (Fault(body="<html>"), b"<html>"),
        (Fault(body=""), b""),
        (Fault(body_bytes=b"\xff\xfe"), b"\xff\xfe"),
    ],
)
async def test_a_replaced_body_keeps_the_effect(
    emulator: Emulator, client: Client, fault: Fault, body: bytes
) -> None:
    emulator.faults.add(fault)
    response = await client.call("POST", "/rooms", {})
    assert (response.status, response.body) == (201, body)
    assert response.headers["Location"]
    assert len(emulator.store) == 1


async def test_a_body_with_a_status_has_no_effect(emulator: Emulator, client: Client) -> None:
    html = {"content-type": "text/html"}
    emulator.faults.add(Fault(status=200, body="<html>", headers=html))
    response = await client.call("POST", "/rooms", {})
    assert (response.status, response.body) == (200, b"<html>")
    assert [
        value for name, value in response.headers.items() if name.lower() == "content-type"
    ] == ["text/html"]
    assert len(emulator.store) == 0


async def test_headers_are_replaced(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(headers={"date": "Thu, 06 Mar 2025 00:20:03 GMT"}))
    response = await client.call("GET", "/rooms")
    assert response.headers["Date"] == "Thu, 06 Mar 2025 00:20:03 GMT"
    assert response.json == {"value": []}


async def test_next_link_is_set_in_pages_only(emulator: Emulator, client: Client) -> None:
    link = "https://user@evil.example/rooms?nextLink=x"
    emulator.faults.add(Fault(next_link=link, count=None))
    assert (await client.call("GET", "/rooms")).json == {"value": [], "nextLink": link}
    room = await client.create()
    assert "nextLink" not in room
    page = await client.call("GET", f"/rooms/{room['id']}/participants")
    assert page.json == {"value": [], "nextLink": link}


async def test_latency_does_not_block_other_requests(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(latency=0.2, count=1))
    delayed = asyncio.create_task(client.call("POST", "/rooms", {}))
    quick = await client.call("GET", "/rooms")
    while not quick.json["value"] and not delayed.done():
        quick = await client.call("GET", "/rooms")
    assert (await delayed).status == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"operation": "MakeCoffee"},
        {"operation": ""},
        {"skip": -1},
        {"count": 0},
        {"truncate": -1},
        {"latency": -1},
        {"latency": 3601},
        {"latency": float("nan")},
        {"drop": "during"},
        {"status": 199},
        {"status": 600},
        {"body": "", "body_bytes": b""},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"Content-Length": "5"}},
    ],
)
def test_invalid_faults_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Faults(routes.OPERATIONS, 1).add(Fault(**wrong))
