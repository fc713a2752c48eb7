"""The control API: reset, rooms, clock, journal and faults over HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest
from support.signed_requests import Client

from rooms_emulator import Emulator, Fault, timestamps
from rooms_emulator.http.addresses import is_loopback


async def test_reset_restores_the_initial_state(emulator: Emulator, client: Client) -> None:
    request_id = {"Repeatability-Request-ID": "5f0e9e1c-7e1e-4c3c-9d6b-0123456789ab"}
    first = await client.call("POST", "/rooms", {}, headers=request_id)
    await client.control("POST", "faults", {"operation": "GetRoom", "status": 500})
    await client.control("POST", "clock", {"offsetSeconds": 3600, "frozen": True})
    assert (await client.control("POST", "reset")).status == 204
    assert (len(emulator.store), len(emulator.journal), emulator.faults.list()) == (0, 0, ())
    assert (emulator.clock.frozen, emulator.clock.offset_seconds) == (False, 0)
    again = await client.call("POST", "/rooms", {}, headers=request_id)
    assert (again.status, again.json["id"] != first.json["id"]) == (201, True)


async def test_seeded_rooms(
    client: Client,
) -> None:
    """Deleted rooms are not listed, but count in pages."""
    old = await client.control("POST", "rooms", {"count": 2, "participants": 3})
    gone = await client.control("POST", "rooms", {"count": 59, "deleted": True})
    ids = old.json["roomIds"]
    assert (len(ids), len(gone.json["roomIds"])) == (2, 59)
    pages = [[room["id"] for room in page["value"]] async for page in client.pages("/rooms")]
    assert pages == [[], ids[:0:-1], ids[:1]]
    assert [role for _, role in await client.roster(ids[0])] == ["Attendee"] * 3


def test_the_clock_can_be_shifted_and_frozen() -> None:
    real = 1_741_220_403_440_180_600
    moving = Emulator(clock=lambda: real).clock
    assert timestamps.render(moving.now()) == "2025-03-06T00:20:03.4401806+00:00"
    moving.advance(60)
    assert moving.offset_seconds == 60
    moving.freeze()
    real += 5_000_000_000
    assert (timestamps.render(moving.now()), moving.offset_seconds) == (
        "2025-03-06T00:21:03.4401806+00:00",
        55,
    )
    moving.advance(-0.4401806)
    moving.resume()
    assert timestamps.render(moving.now()) == "2025-03-06T00:21:03+00:00"
    moving.set_offset(-3.4401806)
    assert timestamps.render(moving.now()) == "2025-03-06T00:20:05+00:00"
    moving.reset()
    assert moving.now() == real // 100


async def test_the_clock_determines_default_windows(client: Client) -> None:
    state = (await client.control("GET", "clock")).json
    assert (state["frozen"], state["offsetSeconds"]) == (False, 0)
    stopped = (await client.control("POST", "clock", {"frozen": True})).json
    later = await client.control("POST", "clock", {"advanceSeconds": 1.5})
    assert later.json["now"] == timestamps.render(timestamps.parse(stopped["now"]) + 15_000_000)
    assert (await client.create())["validFrom"] == later.json["now"]
    assert (await client.control("GET", "clock")).json["frozen"] is True


@pytest.mark.proves("S70")
async def test_journal_omits_credentials(client: Client) -> None:
    """The journal has each request as it was received, except for its credentials."""
    await client.call("POST", "/rooms", b'{"validUntil": "x\xff"}')
    await client.call("GET", "/nowhere%20?x=%C3%A9")
    (create, nowhere) = (await client.control("GET", "journal")).json["requests"]
    assert {name: create[name] for name in ("number", "operation", "method", "status", "body")} == {
        "number": 1,
        "operation": "CreateRoom",
        "method": "POST",
        "status": 400,
        "body": '{"validUntil": "x\ufffd"}',
    }
    assert create["target"] == "/rooms?api-version=2025-03-13"
    assert create["headers"]["content-type"] == "application/json"
    assert timestamps.parse(create["at"])
    assert nowhere["target"] == "/nowhere%20?x=%C3%A9&api-version=2025-03-13"
    assert (nowhere["operation"], nowhere["status"]) == ("", 404)
    assert "authorization" not in {*create["headers"], *nowhere["headers"]}
    assert (await client.control("DELETE", "journal")).status == 204
    assert (await client.control("GET", "journal")).json == {"requests": []}


async def test_journal_entries_are_raw_in_process(emulator: Emulator, client: Client) -> None:
    await client.call("POST", "/rooms", b'{"a": "\xc3\xa9"}')
    (entry,) = emulator.journal
    assert (entry.method, entry.target) == ("POST", "/rooms?api-version=2025-03-13")
    assert entry.body == b'{"a": "\xc3\xa9"}'
    assert entry.headers["authorization"].startswith("HMAC-SHA256 ")
    assert (entry.status, entry.faulty) == (201, False)


async def test_journal_has_the_responses(emulator: Emulator, client: Client) -> None:
    """With the changes of faults, and None for a response that was lost."""
    room = await client.create()
    emulator.faults.add(Fault(headers={"X-Seen": "1"}, body="{" * 100_000))
    emulator.faults.add(Fault(drop="after"))
    await client.call("GET", "/rooms")
    with pytest.raises(aiohttp.ClientError):
        await client.call("POST", "/rooms", {})
    await client.call("DELETE", f"/rooms/{room['id']}")
    created, faulty, lost, deleted = (await client.control("GET", "journal")).json["requests"]
    assert json.loads(created["response"]["body"]) == room
    assert created["response"]["headers"]["Location"] == room["id"]
    assert faulty["response"]["headers"]["X-Seen"] == "1"
    assert faulty["response"]["body"] == "{" * (1 << 16)
    assert (lost["status"], lost["response"]) == (None, None)
    assert (deleted["status"], deleted["response"]["body"]) == (204, "")


async def test_journal_length(client: Client) -> None:
    async with Emulator(journal_length=2) as small:
        other = Client(client._session, small.endpoint)
        for path in ("/1", "/2", "/3"):
            await other.call("GET", path, version=None)
        assert [(entry.number, entry.target) for entry in small.journal] == [(2, "/2"), (3, "/3")]


async def test_faults_can_be_added_listed_and_cleared(client: Client) -> None:
    fault = {
        "operation": "ListRooms",
        "status": 503,
        "headers": {"Retry-After": "1"},
        "bodyBytes": base64.b64encode(b"\xff").decode(),
    }
    assert (await client.control("POST", "faults", fault)).json == {"id": 1}
    response = await client.call("GET", "/rooms")
    assert (response.status, response.headers["Retry-After"], response.body) == (503, "1", b"\xff")
    (rule,) = (await client.control("GET", "faults")).json["faults"]
    assert {name: rule[name] for name in ("id", "matched", "struck")} == {
        "id": 1,
        "matched": 1,
        "struck": 1,
    }
    assert rule["fault"].items() >= fault.items()
    assert (await client.control("DELETE", "faults")).status == 204
    assert (await client.control("GET", "faults")).json["faults"] == []


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("rooms", {"count": "7"}, "Expected `int`, got `str` - at `$.count`"),
        ("rooms", {}, "Object missing required field `count`"),
        ("rooms", {"count": -1}, "Expected `int` >= 0 - at `$.count`"),
        ("rooms", {"count": 1, "colour": 1}, "Object contains unknown field `colour`"),
        ("rooms", [], "Expected `object`, got `array`"),
        ("clock", {"advanceSeconds": 1e12}, "the clock must stay within the years 1970 to 9998"),
        ("clock", {"advanceSeconds": -1e12}, "the clock must stay within the years 1970 to 9998"),
        ("clock", {"offsetSeconds": 1e308}, "the clock must stay within the years 1970 to 9998"),
        ("clock", {"frozen": 1}, "Expected `bool | null`, got `int` - at `$.frozen`"),
        ("faults", {"drop": "now"}, "Invalid enum value 'now' - at `$.drop`"),
        ("faults", {"count": 0}, "count must be between 1 and "),
        ("faults", {"operation": "X"}, "operation: unknown 'X': use one of CreateRoom, "),
        ("faults", None, "Input data was truncated"),
    ],
)
async def test_an_invalid_control_request_is_400(
    emulator: Emulator, client: Client, path: str, content: Any, message: str
) -> None:
    """The error names the member, and nothing is changed."""
    response = await client.control("POST", path, content)
    assert (response.status, response.error["code"]) == (400, "InvalidControlRequest")
    assert message in response.error["message"]
    assert (len(emulator.store), emulator.faults.list()) == (0, ())
    assert emulator.clock.offset_seconds == 0


async def test_a_malformed_control_body_is_400(client: Client) -> None:
    for body in (b"\xff", b"[" * 500_000, b'{"count":1e999}'):
        response = await client.send("POST", "/_emulator/rooms", body, {})
        assert response.error["code"] == "InvalidControlRequest"


async def test_unknown_control_paths_and_methods(client: Client) -> None:
    response = await client.control("GET", "nothing")
    assert (response.status, response.error["code"]) == (404, "NotFound")
    assert "/_emulator/reset, /_emulator/rooms" in response.error["message"]
    response = await client.control("PUT", "clock")
    assert (response.status, response.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.proves("S69")
@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("localhost", True),
        ("localhost.example", False),
    ],
)
def test_control_api_requires_loopback(address: str, *, local: bool) -> None:
    assert is_loopback(address) is local


async def test_control_requests_are_not_journaled(emulator: Emulator, client: Client) -> None:
    await client.control("GET", "clock")
    assert len(emulator.journal) == 0
