"""Faults: what they do, to which requests, and in which order."""

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


async def test_a_fault_strikes_as_often_as_it_should_and_after_as_many_as_it_should(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(Fault(operation="ListRooms", status=503, skip=1, count=2))
    assert await statuses(client, 5) == [200, 503, 503, 200, 200]


async def test_the_first_fault_that_applies_strikes_alone_and_then_the_next(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(Fault(operation="ListRooms", status=500))
    emulator.faults.add(Fault(operation="DeleteRoom", status=504))
    emulator.faults.add(Fault(status=502, count=2))
    emulator.faults.add(Fault(operation="ListRooms", status=429, count=None))
    assert await statuses(client, 5) == [500, 502, 502, 429, 429]
    assert await statuses(client, 1, "/rooms/1") == [400]


async def test_a_fault_for_everything_strikes_also_what_leads_nowhere(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(Fault(status=503, count=None))
    assert await statuses(client, 1, "/nowhere") == [503]


async def test_a_status_comes_with_the_envelope_its_code_and_the_ordered_headers(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(Fault(status=429, headers={"Retry-After": "7"}))
    answer = await client.call("POST", "/rooms", {})
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert answer.headers["x-ms-error-code"] == "TooManyRequests"
    assert answer.json == {"error": {"code": "TooManyRequests", "message": "Too Many Requests."}}
    assert len(emulator.store) == 0


async def test_an_ordered_redirect_has_no_body(emulator: Emulator, client: Client) -> None:
    where = "https://example.com/"
    emulator.faults.add(Fault(status=307, headers={"Location": where}))
    answer = await client.call("GET", "/rooms")
    assert (answer.status, answer.headers["Location"], answer.body) == (307, where, b"")


@pytest.mark.parametrize(("drop", "rooms"), [("before", 0), ("after", 1)])
async def test_a_dropped_connection_leaves_the_effect_or_not(
    emulator: Emulator, client: Client, drop: Any, rooms: int
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", drop=drop))
    with pytest.raises(ServerDisconnectedError):
        await client.create()
    assert len(emulator.store) == rooms
    (entry,) = emulator.journal
    assert (entry.operation, entry.status, entry.faulty) == ("CreateRoom", None, True)


@pytest.mark.parametrize("length", [0, 5])
async def test_a_truncated_body_ends_with_its_connection(
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
async def test_a_body_takes_the_place_of_the_real_one_after_the_effect(
    emulator: Emulator, client: Client, fault: Fault, body: bytes
) -> None:
    emulator.faults.add(fault)
    answer = await client.call("POST", "/rooms", {})
    assert (answer.status, answer.body) == (201, body)
    assert answer.headers["Location"]
    assert len(emulator.store) == 1


async def test_a_body_with_a_status_and_a_type_is_sent_without_an_effect(
    emulator: Emulator, client: Client
) -> None:
    html = {"content-type": "text/html"}
    emulator.faults.add(Fault(status=200, body="<html>", headers=html))
    answer = await client.call("POST", "/rooms", {})
    assert (answer.status, answer.body) == (200, b"<html>")
    assert [value for name, value in answer.headers.items() if name.lower() == "content-type"] == [
        "text/html"
    ]
    assert len(emulator.store) == 0


async def test_headers_take_the_place_of_real_ones(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(headers={"date": "Thu, 06 Mar 2025 00:20:03 GMT"}))
    answer = await client.call("GET", "/rooms")
    assert answer.headers["Date"] == "Thu, 06 Mar 2025 00:20:03 GMT"
    assert answer.json == {"value": []}


async def test_a_link_can_lead_anywhere(emulator: Emulator, client: Client) -> None:
    """Only pages of lists have one."""
    link = "https://user@evil.example/rooms?nextLink=x"
    emulator.faults.add(Fault(next_link=link, count=None))
    assert (await client.call("GET", "/rooms")).json == {"value": [], "nextLink": link}
    room = await client.create()
    assert "nextLink" not in room
    people = await client.call("GET", f"/rooms/{room['id']}/participants")
    assert people.json == {"value": [], "nextLink": link}


async def test_a_late_answer_is_late_and_right(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(latency=0.2, count=1))
    slow = asyncio.create_task(client.call("POST", "/rooms", {}))
    quick = await client.call("GET", "/rooms")
    while not quick.json["value"] and not slow.done():
        quick = await client.call("GET", "/rooms")
    assert (await slow).status == 201


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
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Faults(routes.OPERATIONS, 1).add(Fault(**wrong))
