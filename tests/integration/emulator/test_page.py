"""The page for browsers, and the overview that it polls."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from support.samples import user
from support.signed_requests import Client, ask, client_session, new_user

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault, preset
from rooms_emulator.output.access_log import Access
from rooms_emulator.rooms.windows import Window

PAGE = "/_emulator/"


async def overview(client: Client, query: str = "") -> Any:
    response = await client.control("GET", f"overview{query}")
    assert response.status == 200, response
    return response.json


@pytest.mark.proves("S98")
async def test_the_page_runs_its_own_script_only(client: Client) -> None:
    """Script and style are allowed by hash, and markup from text is not (Trusted Types)."""
    page = await client.send("GET", PAGE, b"", {})
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = page.body.decode()
    policy = dict(
        each.split(" ", 1) for each in page.headers["Content-Security-Policy"].split("; ")
    )
    for element in ("script", "style"):
        [content] = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(f"{element}-src") == f"'sha256-{digest}'"
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.findall(r'(?:src|href)="(?!data:)| style="| on\w+="|innerHTML|eval\(', text)


async def test_other_methods_and_paths_are_no_page(client: Client) -> None:
    for method, path in (("POST", ""), ("PUT", ""), ("GET", "page.html"), ("GET", "../page.html")):
        response = await client.send(method, PAGE + path, b"", {})
        assert response.status in {401, 404}, (method, path)
    assert (await client.send("GET", f"{PAGE}?x=1", b"", {})).status == 200


async def test_the_control_listener_serves_the_page() -> None:
    """It is reachable while the emulator refuses connections."""
    async with Emulator(control_listen="127.0.0.1:0") as emulator, client_session() as session:
        emulator.refuse(60)
        client = Client(session, emulator.control_endpoint)
        assert (await client.send("GET", PAGE, b"", {})).status == 200
        assert (await overview(client))["rooms"] == {"total": 0, "items": []}


async def test_overview_of_an_unused_emulator(client: Client) -> None:
    state = await overview(client)
    for part in ("rooms", "users", "requests", "faults"):
        assert state[part] == {"total": 0, "items": []}, part
    assert (state["quotas"], state["room"], state["request"]) == ({"quotas": []}, None, None)
    assert {"outage", "refused"} < {*state["presets"]}
    assert {"CreateRoom", "CreateIdentity"} < {*state["operations"]}


async def test_overview_is_newest_first(emulator: Emulator, client: Client) -> None:
    """With lines for rooms, users, requests, faults and quotas, and their counters."""
    emulator.quotas.replace(["CreateRoom=2/1h"])
    first = await client.create(participants={user(1): {"role": "Presenter"}})
    second = await client.create(pstnDialOutEnabled=True)
    emulator.faults.add(preset("outage", operation="GetRoom"))
    emulator.faults.add(Fault(status=500, count=1))
    await client.call("GET", f"/rooms/{second['id']}")
    await client.call("POST", "/rooms", {})
    await client.call("POST", "/rooms", {})
    users = [await new_user(client) for _ in range(2)]
    state = await overview(client)
    assert [(room["id"], room["participants"]) for room in state["rooms"]["items"]] == [
        (second["id"], 0),
        (first["id"], 1),
    ]
    assert state["rooms"]["items"][0] | {"participants": 0, "joinPolicy": ""} == {
        "participants": 0,
        "joinPolicy": "",
        **{name: value for name, value in second.items() if name in state["rooms"]["items"][0]},
        "createdAt": second["createdAt"],
    }
    assert [each["id"] for each in state["users"]["items"]] == users[::-1]
    keys = ("number", "operation", "status", "fault", "quota", "room")
    assert [[each[key] for key in keys] for each in state["requests"]["items"][2:]] == [
        [5, "CreateRoom", 429, None, "CreateRoom=2/1h", None],
        [4, "CreateRoom", 500, "#2", None, None],
        [3, "GetRoom", 503, "outage", None, None],
        [2, "CreateRoom", 201, None, None, second["id"]],
        [1, "CreateRoom", 201, None, None, first["id"]],
    ]
    assert state["faults"]["items"] == [
        {
            "id": 2,
            "label": "",
            "operation": "*",
            "effect": "status 500",
            "count": 1,
            "matched": 1,
            "struck": 1,
        },
        {
            "id": 1,
            "label": "outage",
            "operation": "GetRoom",
            "effect": "status 503",
            "count": None,
            "matched": 1,
            "struck": 1,
        },
    ]
    assert state["quotas"] == {
        "quotas": [{"quota": "CreateRoom=2/1h", "accepted": 2, "rejected": 1}]
    }


async def test_overview_has_the_selected_in_full(client: Client) -> None:
    room = await client.create(participants={user(1): {"role": "Presenter"}, user(2): {}})
    state = await overview(client, f"?room={room['id']}&request=1")
    assert state["room"]["room"] == state["rooms"]["items"][0]
    assert state["room"]["roster"] == [
        {"rawId": user(1), "role": "Presenter"},
        {"rawId": user(2), "role": "Attendee"},
    ]
    [logged] = (await client.control("GET", "journal")).json["requests"]
    assert state["request"] == logged
    assert json.loads(logged["response"]["body"])["id"] == room["id"]
    gone = await overview(client, "?room=1&request=2")
    assert (gone["room"], gone["request"]) == (None, None)


@pytest.mark.parametrize(
    "query", ["?request=x", "?request=1e999", "?rooms=1", "?request=" + "9" * 5000]
)
async def test_an_invalid_selection_is_400(client: Client, query: str) -> None:
    response = await client.control("GET", f"overview{query}")
    assert (response.status, response.error["code"]) == (400, "InvalidControlRequest")


async def test_overview_is_bounded(emulator: Emulator, client: Client) -> None:
    """Of everything that can be many, it has the newest 200."""
    ids = emulator.store.seed(1000)
    for number in range(250):
        emulator.identities.create(f"{number}{'x' * 250}")
        emulator.faults.add(Fault(operation="GetRoom", body="x" * 10_000, label="outage"))
        await client.call("GET", f"/nowhere/{'x' * 1000}")
    response = await client.control("GET", "overview")
    assert len(response.body) < 400_000
    assert [room["id"] for room in response.json["rooms"]["items"]] == ids[: -200 - 1 : -1]
    for part, total in (("rooms", 1000), ("users", 250), ("faults", 250), ("requests", 250)):
        found = response.json[part]
        assert (found["total"], len(found["items"])) == (total, 200), part


@pytest.mark.proves("S70")
async def test_overview_has_no_secrets(emulator: Emulator, client: Client) -> None:
    """Tokens in requests and responses, keys in paths and faults."""
    emulator.faults.add(preset("key-rotated", operation="DeleteRoom"))
    created = await ask(client, content={"createTokenWithScopes": ["voip"]})
    token = created.json["accessToken"]["token"]
    await client.call("POST", "/rooms", {"pstnDialOutEnabled": token})
    await client.call("GET", f"/;accesskey={DEVELOPMENT_KEY}/rooms?token={token}")
    assert len(emulator.journal) == 3
    for number in (1, 2, 3):
        text = (await client.control("GET", f"overview?request={number}")).body.decode()
        assert json.loads(text)["request"]["number"] == number
        for secret in (token, DEVELOPMENT_KEY, preset("key-rotated").keys[0]):  # type: ignore[index]
            assert secret[:20] not in text, number


@pytest.mark.proves("S95")
@pytest.mark.proves("S96")
@pytest.mark.parametrize(
    "lines", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://a.test"}, {"Host": "a.test"}]
)
async def test_overview_is_for_the_own_page(client: Client, lines: dict[str, str]) -> None:
    response = await client.send("GET", f"{PAGE}overview", b"", lines)
    assert (response.status, "rooms" in response.json) == (403, False)


async def test_hostile_text_is_json(emulator: Emulator, client: Client) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\u202e\0"
    now = emulator.clock.now()
    room = emulator.store.create(Window(now, now + 1), {hostile: "Attendee"})
    emulator.identities.create(hostile)
    state = await overview(client, f"?room={room.id}")
    assert state["room"]["roster"] == [{"rawId": hostile, "role": "Attendee"}]
    assert state["users"]["items"][0]["customId"] == hostile


async def test_polls_have_no_line_in_the_access_log() -> None:
    lines: list[Access] = []
    async with Emulator(access_log=lines.append) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        await client.send("GET", PAGE, b"", {})
        await overview(client)
        await client.control("POST", "reset")
        assert [line.target for line in lines] == ["/_emulator/reset"]


async def test_one_fault_can_be_removed(emulator: Emulator, client: Client) -> None:
    """The others keep their ids and counters."""
    for name in ("late", "outage", "refused"):
        emulator.faults.add(preset(name, operation="GetRoom", latency=0))
    await client.call("GET", "/rooms/1")
    assert (await client.control("DELETE", "faults?id=2")).status == 204
    rules = emulator.faults.list()
    assert [(rule.id, rule.fault.label, rule.struck) for rule in rules] == [
        (1, "late", 1),
        (3, "refused", 0),
    ]
    for query in ("?id=2", "?id=x", "?name=late"):
        response = await client.control("DELETE", f"faults{query}")
        assert (response.status, emulator.faults.list()) == (400, rules), query
    assert emulator.faults.add(Fault()) == 4
