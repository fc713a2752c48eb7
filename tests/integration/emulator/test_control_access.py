"""Which requests the control API accepts: those of web pages and other hosts are hostile."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any

import pytest
from support.signed_requests import Client, Response, client_session, exchange

from rooms_emulator import Emulator, Fault, FaultPlan
from rooms_emulator.control import HEALTH, PREFIX
from rooms_emulator.control_access import ControlAccess

KEY = "a control key of a test".replace(" ", "-")
OPERATIONS = [
    (method, name)
    for name, methods in Emulator()._control._endpoints.items()
    for method in (*methods, "OPTIONS")
]
"""Every path of the control API with each of its methods, from its table, and preflights."""

CHANGES: Mapping[str, object] = {
    "rooms": {"count": 3},
    "keys": {"keys": ["a2V5"]},
    "tokens": {"tokens": ["token"]},
    "clock": {"offsetSeconds": 60},
    "faults": {"status": 500, "faults": [], "seed": 1},
    "quotas": {"quotas": ["reads=1/1s"]},
    "refuse": {"seconds": 60},
}
"""Bodies that would change something."""

HOSTILE: Mapping[str, tuple[Mapping[str, str], str]] = {
    "another site": ({"Origin": "http://evil.example"}, "CrossOriginRequest"),
    "a sandboxed page": ({"Origin": "null"}, "CrossOriginRequest"),
    "an empty origin": ({"Origin": ""}, "CrossOriginRequest"),
    "another port": ({"Origin": "http://127.0.0.1:3000"}, "CrossOriginRequest"),
    "a longer port": ({"Origin": "http://{host}0"}, "CrossOriginRequest"),
    "a name as suffix": ({"Origin": "http://{host}.evil.example"}, "CrossOriginRequest"),
    "user information": ({"Origin": "http://{host}@evil.example"}, "CrossOriginRequest"),
    "an extension": ({"Origin": "chrome-extension://abc"}, "CrossOriginRequest"),
    "an image or a form": ({"Sec-Fetch-Site": "cross-site"}, "CrossOriginRequest"),
    "another port, without Origin": ({"Sec-Fetch-Site": "same-site"}, "CrossOriginRequest"),
    "a site of the future": ({"Sec-Fetch-Site": "unheard-of"}, "CrossOriginRequest"),
    "a preflight": (
        {
            "Origin": "http://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
            "Access-Control-Request-Private-Network": "true",
        },
        "CrossOriginRequest",
    ),
    "a rebound name": ({"Host": "evil.example:8125"}, "UnknownHost"),
    "a rebound name without port": ({"Host": "evil.example."}, "UnknownHost"),
    "a rebound page": (
        {
            "Host": "evil.example:8125",
            "Origin": "http://evil.example:8125",
            "Sec-Fetch-Site": "same-origin",
        },
        "UnknownHost",
    ),
    "a name that begins as loopback": ({"Host": "127.0.0.1.evil.example"}, "UnknownHost"),
    "a name below localhost": ({"Host": "localhost.evil.example:8125"}, "UnknownHost"),
    "a malformed host": ({"Host": "[evil"}, "UnknownHost"),
    "a form with JSON": ({"Content-Type": "text/plain"}, "UnsupportedMediaType"),
    "a beacon": ({"Content-Type": "text/plain;charset=UTF-8"}, "UnsupportedMediaType"),
}


def with_host(headers: Mapping[str, str], client: Client) -> dict[str, str]:
    return {name: text.replace("{host}", client.signer.host) for name, text in headers.items()}


async def send(
    client: Client, method: str, name: str, headers: Mapping[str, str], body: object = None
) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    return await client.send(method, PREFIX + name, content, with_host(headers, client))


def state(emulator: Emulator) -> tuple[Any, ...]:
    rules = tuple(rule.fault for rule in emulator.faults.list())
    quotas = tuple(each.quota for each in emulator.quotas.list())
    authenticator = emulator.authenticator
    credentials = (authenticator.keys, authenticator.bearer)
    clock = (emulator.clock.frozen, emulator.clock.now())
    return len(emulator.store), len(emulator.journal), rules, quotas, credentials, clock


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Start an emulator in which every control operation would change something."""
    plan = FaultPlan((Fault(label="kept", operation="DeleteRoom", status=503),))
    quotas = ["CreateRoom=9/1s"]
    async with Emulator(faults=plan, quotas=quotas) as running, client_session() as session:
        running.clock.set_offset(3600)
        running.clock.freeze()
        running.store.seed(2)
        await Client(session, running.endpoint).call("GET", "/rooms")
        yield running


@pytest.mark.proves("S95", "S96")
@pytest.mark.parametrize("name", HOSTILE)
async def test_no_web_page_controls(name: str, emulator: Emulator, client: Client) -> None:
    """No operation is accepted, nothing changes, and no page may read the response."""
    headers, code = HOSTILE[name]
    before = state(emulator)
    for method, path in OPERATIONS:
        response = await send(client, method, path, headers, CHANGES.get(path))
        assert response.error["code"] == code, (method, path)
        assert not [each for each in response.headers if each.startswith("Access-Control-")]
        assert state(emulator) == before, (method, path)


@pytest.mark.proves("S95")
async def test_gets_have_no_side_effect(emulator: Emulator, client: Client) -> None:
    before = state(emulator)
    for method, path in OPERATIONS:
        if method == "GET":
            assert (await send(client, method, path, {})).status == HTTPStatus.OK
            assert (await send(client, "HEAD", path, {})).status == HTTPStatus.METHOD_NOT_ALLOWED
    assert state(emulator) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8125"},
        {"Host": "[::1]:8125"},
        {"Host": "192.0.2.7:8125"},
        {"Host": "emulator:8125"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"},
        {"Origin": "http://{host}"},
        {"Origin": "HTTPS://LOCALHOST:8125", "Host": "localhost:8125"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://forwarded.example"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json"},
    ],
    ids=str,
)
async def test_programs_and_own_pages_control(headers: dict[str, str], client: Client) -> None:
    """The last origin is that of a browser behind a proxy that replaces Host."""
    response = await send(client, "POST", "clock", headers, {"offsetSeconds": 60})
    assert response.status == HTTPStatus.OK, response.body


async def test_the_name_of_listen_is_a_host() -> None:
    access = ControlAccess(own_hosts=frozenset({"rooms.test"}))
    assert access.accepts_host("Rooms.Test:8125")
    assert not access.accepts_host("evil.test:8125")
    assert Emulator(listen="Rooms.Test:0").control_access.accepts_host("rooms.test")


@pytest.mark.parametrize(
    "head",
    [
        b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
        b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
    ],
)
async def test_a_second_value_is_not_overlooked(head: bytes, emulator: Emulator) -> None:
    request = b"POST /_emulator/reset HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    received = await exchange(emulator.endpoint, request + head + b"\r\n")
    assert received.startswith(b"HTTP/1.1 403 "), received
    assert len(emulator.store) == 2


@pytest.mark.proves("S69")
@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        f"Bearer {KEY.upper()}",
        f"Bearer {KEY} {KEY}",
        "Bearer ключ-контроля-эмулятора",
    ],
)
async def test_a_wrong_control_key_is_401(given: str | None) -> None:
    """For every operation, and also from loopback."""
    headers = {} if given is None else {"Authorization": given}
    async with Emulator(control_key=KEY) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        for method, path in OPERATIONS:
            response = await send(client, method, path, headers, CHANGES.get(path))
            assert response.error["code"] == "ControlKeyRequired", (method, path)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert KEY not in response.body.decode()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}],
    ids=["program", "own page"],
)
async def test_the_control_key_is_accepted(headers: dict[str, str]) -> None:
    async with Emulator(control_key=KEY) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        for scheme in ("Bearer", "bearer"):
            lines = headers | {"Authorization": f"{scheme} {KEY}"}
            assert (await send(client, "POST", "reset", lines)).status == HTTPStatus.NO_CONTENT
        lines = {"Authorization": f"Bearer {KEY}", "Origin": "http://evil.example"}
        assert (await send(client, "POST", "reset", lines)).status == HTTPStatus.FORBIDDEN


@pytest.mark.proves("S69")
async def test_other_hosts_need_permission_and_key() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as routed:
        try:
            # Selects an address of this host, and sends nothing.
            routed.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has loopback only")
        own = routed.getsockname()[0]
    for options, key, code in (
        ({}, None, "RemoteRequest"),
        ({"control_key": KEY}, KEY, "RemoteRequest"),
        ({"control_key": KEY, "control_allow_remote": True}, None, "ControlKeyRequired"),
        ({"control_key": KEY, "control_allow_remote": True}, KEY, None),
    ):
        async with Emulator(listen="0.0.0.0:0", **options) as emulator, client_session() as session:
            port = emulator.endpoint.rpartition(":")[2]
            client = Client(session, f"http://{own}:{port}")
            lines = {} if key is None else {"Authorization": f"Bearer {key}"}
            response = await send(client, "GET", "clock", lines)
            assert (response.json.get("error") or {"code": None})["code"] == code
            assert (await client.send("GET", HEALTH, b"", {})).status == HTTPStatus.NO_CONTENT


@pytest.mark.parametrize("key", ["", "short", "x" * 257, "a key with blanks in it", "ключ" * 8])
def test_a_malformed_control_key_is_rejected(key: str) -> None:
    with pytest.raises(ValueError, match="16 to 256 visible ASCII characters"):
        Emulator(control_key=key)


def test_remote_control_without_a_key_is_rejected() -> None:
    with pytest.raises(ValueError, match="--control-key-file FILE or in ROOMS_EMULATOR_CONTROL_KE"):
        Emulator(control_allow_remote=True)


def test_the_control_key_is_not_in_a_repr() -> None:
    assert KEY not in repr(Emulator(control_key=KEY).control_access)


async def test_health_needs_no_key_and_is_not_logged() -> None:
    """It is a GET of one path; everything else goes to the control API."""
    lines: list[object] = []
    async with (
        Emulator(control_key=KEY, access_log=lines.append) as emulator,
        client_session() as session,
    ):
        client = Client(session, emulator.endpoint)
        response = await client.send("GET", HEALTH, b"", {"Origin": "http://evil.example"})
        assert (response.status, response.body, lines) == (HTTPStatus.NO_CONTENT, b"", [])
        assert not [each for each in response.headers if each.startswith("Access-Control-")]
        assert len(emulator.journal) == 0
        for method, target in (("POST", HEALTH), ("GET", f"{HEALTH}/x")):
            response = await client.send(method, target, b"", {})
            assert response.status == HTTPStatus.UNAUTHORIZED
        assert len(lines) == 2
