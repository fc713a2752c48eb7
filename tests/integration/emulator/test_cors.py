"""Requests of browsers for pages of another origin."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.signed_requests import Client, exchange, new_user

from rooms_emulator import Emulator, Fault

PAGE = {"Origin": "http://localhost:3000"}
ASKED = {
    **PAGE,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type,x-ms-content-sha256,x-ms-date",
}
TARGET = "/rooms?api-version=2025-03-13"


def allowed(lines: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a response that are for browsers."""
    return {name: value for name, value in lines.items() if name.startswith("Access-")}


async def test_every_origin_may_read_a_response(emulator: Emulator, client: Client) -> None:
    """Errors and injected faults too."""
    (room_id,) = emulator.store.seed(1)
    statuses = [(await client.call("POST", "/rooms", {}, headers=PAGE)).status]
    for method, path in (
        ("GET", "/rooms"),
        ("DELETE", f"/rooms/{room_id}"),
        ("GET", f"/rooms/{room_id}"),
        ("GET", "/rooms/1"),
        ("PUT", "/rooms"),
        ("GET", "/"),
    ):
        response = await client.call(method, path, headers=PAGE)
        assert allowed(response.headers) == {"Access-Control-Allow-Origin": "*"}
        statuses.append(response.status)
    assert statuses == [201, 200, 204, 404, 400, 405, 404]
    emulator.faults.add(Fault(status=503))
    for lines, status in ((PAGE, 503), (PAGE | {"x-ms-date": ""}, 401)):
        response = await client.call("GET", "/rooms", headers=lines)
        assert (response.status, allowed(response.headers)) == (
            status,
            {"Access-Control-Allow-Origin": "*"},
        )


async def test_a_preflight_needs_no_credentials(emulator: Emulator, client: Client) -> None:
    """Its response allows the requested method and headers."""
    response = await client.send("OPTIONS", TARGET, b"", ASKED)
    assert (response.status, response.body) == (204, b"")
    assert allowed(response.headers) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": ASKED["Access-Control-Request-Method"],
        "Access-Control-Allow-Headers": ASKED["Access-Control-Request-Headers"],
    }
    [entry] = emulator.journal
    assert (entry.method, entry.operation, entry.status) == ("OPTIONS", "", 204)
    assert entry.shown_headers()["origin"] == PAGE["Origin"]


@pytest.mark.parametrize("missing", ["Origin", "Access-Control-Request-Method"])
async def test_other_options_need_credentials(client: Client, missing: str) -> None:
    lines = {name: value for name, value in ASKED.items() if name != missing}
    assert (await client.send("OPTIONS", TARGET, b"", lines)).status == 401
    assert (await client.call("OPTIONS", "/rooms")).status == 405


async def test_header_names_in_utf_8_are_not_repeated(emulator: Emulator) -> None:
    head = f"OPTIONS {TARGET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: http://x\r\n"
    asked = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: é\r\n\r\n"
    received = await exchange(emulator.endpoint, (head + asked).encode())
    assert received.startswith(b"HTTP/1.1 204 ")
    assert b"Access-Control-Allow-Headers" not in received


async def test_identity_has_no_cors(client: Client) -> None:
    """No recording of the Identity API shows it."""
    await new_user(client)
    response = await client.call("POST", "/identities", version="2023-10-01", headers=PAGE)
    assert (response.status, allowed(response.headers)) == (201, {})
    response = await client.send("OPTIONS", "/identities?api-version=2023-10-01", b"", ASKED)
    assert (response.status, allowed(response.headers)) == (401, {})


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
async def test_the_control_api_has_no_cors(client: Client, method: str) -> None:
    for path in ("journal", "reset", "nothing"):
        response = await client.send(method, f"/_emulator/{path}", b"", ASKED)
        assert allowed(response.headers) == {}
