"""Presets of faults, their seed, and fault plans."""

from __future__ import annotations

import asyncio
import errno
import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientOSError, ClientPayloadError, ServerDisconnectedError
from support.signed_requests import Client

from rooms_emulator import Emulator, Fault, FaultPlan, preset
from rooms_emulator.faults.presets import PRESETS, SECOND_KEY
from rooms_emulator.faults.rules import Faults


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.call("GET", "/rooms")).status for _ in range(count)]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_overridden(name: str) -> None:
    """Overrides work in Python and in JSON; the label is the name of the preset."""
    made = preset(name, operation="GetRoom", skip=3)
    assert (made.label, made.operation, made.skip) == (name, "GetRoom", 3)
    document = {"faults": [{"preset": name, "operation": "GetRoom", "skip": 3}]}
    assert FaultPlan.parse(document).faults == (made,)


@pytest.mark.parametrize(
    ("name", "failure", "rooms"),
    [
        ("closed-before-reply", ServerDisconnectedError, 0),
        ("closed-after-effect", ServerDisconnectedError, 1),
        ("reset", ClientOSError, 0),
        ("reset-after-effect", ClientOSError, 1),
        ("truncated", ClientPayloadError, 1),
    ],
)
async def test_connection_presets(
    emulator: Emulator, client: Client, name: str, failure: type[Exception], rooms: int
) -> None:
    """The journal shows whether the request had an effect."""
    emulator.faults.add(preset(name))
    with pytest.raises(failure) as raised:
        await client.create()
    was_reset = getattr(raised.value, "errno", None) == errno.ECONNRESET
    assert was_reset is name.startswith("reset")
    assert len(emulator.store) == rooms
    (entry,) = (await client.control("GET", "journal")).json["requests"]
    assert (entry["fault"]["id"], entry["fault"]["label"]) == (1, name)
    assert (entry["effect"] is not None) is bool(rooms)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("wrong-content-type", lambda response: response.headers["Content-Type"] == "text/html"),
        ("invalid-json", lambda response: response.body == b'{"id": '),
        ("invalid-utf8", lambda response: b"\xff" in response.body),
        ("huge-body", lambda response: len(response.body) == 10_000_000 and response.json["id"]),
        (
            "throttled",
            lambda response: (response.status, response.headers["Retry-After"]) == (429, "1"),
        ),
        (
            "token-refused",
            lambda response: (response.status, response.error["code"]) == (401, "Denied"),
        ),
        ("proxy-error", lambda response: (response.status, response.body[:6]) == (502, b"<html>")),
        ("unavailable", lambda response: response.status == 503),
    ],
)
async def test_response_presets(emulator: Emulator, client: Client, name: str, check: Any) -> None:
    emulator.faults.add(preset(name))
    assert check(await client.call("POST", "/rooms", {}))
    assert (await client.call("POST", "/rooms", {})).status == 201


async def test_gzip_bomb(emulator: Emulator, client: Client) -> None:
    room = await client.create()
    emulator.faults.add(preset("gzip-bomb", pad=1_000_000))
    client._session._auto_decompress = False
    response = await client.call("GET", f"/rooms/{room['id']}")
    assert (response.headers["Content-Encoding"], len(response.body) < 10_000) == ("gzip", True)
    assert gzip.decompress(response.body).rstrip().endswith(b"}")
    assert len(gzip.decompress(response.body)) == 1_000_000


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("looping-next-link", "http://{host}/rooms?api-version=2025-03-13"),
        ("foreign-next-link", "http://attacker.invalid/rooms?api-version=2025-03-13"),
        ("downgraded-next-link", "http://127.0.0.1:80/rooms?api-version=2025-03-13"),
        ("userinfo-next-link", "http://{host}@attacker.invalid/rooms?api-version=2025-03-13"),
    ],
)
async def test_next_link_presets(emulator: Emulator, client: Client, name: str, link: str) -> None:
    emulator.faults.add(preset(name))
    page = (await client.call("GET", "/rooms")).json
    assert page["nextLink"] == link.replace("{host}", emulator.endpoint.removeprefix("http://"))


async def test_unknown_role(emulator: Emulator, client: Client) -> None:
    (room,) = emulator.store.seed(1, participants=2)
    emulator.faults.add(preset("unknown-role", operation="ListParticipants"))
    assert [role for _, role in await client.roster(room)] == ["Stagehand"] * 2


async def test_clock_skew_and_rotated_key_last(emulator: Emulator, client: Client) -> None:
    """Both faults last until `reset`."""
    emulator.faults.add(preset("clock-skew"))
    assert await statuses(client, 2) == [401, 401]
    emulator.reset()
    emulator.faults.add(preset("key-rotated", skip=1))
    assert await statuses(client, 3) == [200, 401, 401]
    client.signer.key = SECOND_KEY
    assert await statuses(client, 1) == [200]


async def test_slow_drip(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(preset("slow-drip", drip=100.0))
    start = asyncio.get_running_loop().time()
    assert (await client.call("GET", "/rooms")).json == {"value": []}
    assert asyncio.get_running_loop().time() - start >= 0.09


async def test_refused_connections(
    client: Client,
) -> None:
    """Connections can be accepted again, and `control_listen` stays reachable meanwhile."""
    async with Emulator(control_listen="127.0.0.1:0") as refusing:
        one = Client(client._session, refusing.endpoint)
        control = Client(client._session, refusing.control_endpoint)
        refusing.faults.add(preset("refused", refuse=3600.0))
        with pytest.raises(ServerDisconnectedError):
            await one.create()
        with pytest.raises(ClientConnectorError):
            await one.create()
        assert len((await control.control("GET", "journal")).json["requests"]) == 1
        assert (await control.control("POST", "refuse", {"seconds": 0})).status == 204
        async with asyncio.timeout(5):
            while True:
                try:
                    assert (await one.create())["id"]
                    break
                except ClientConnectorError:
                    await asyncio.sleep(0.005)


def selected(faults: Faults, operations: str) -> list[tuple[float, int | None] | None]:
    injected = [faults.select({"G": "GetRoom", "C": "CreateRoom"}[each]) for each in operations]
    return [(each.latency, each.status) if each else None for each in injected]


def test_equal_seeds_select_equal_faults() -> None:
    """Requests for other operations in between do not change the draws."""
    storm = preset("mixed-5xx", operation="GetRoom", jitter=1.0)
    lists = [Faults(("GetRoom", "CreateRoom"), seed) for seed in (7, 7, 8)]
    for faults in lists:
        faults.add(storm)
    first, again, other = lists
    expected = selected(first, "G" * 200)
    assert 20 <= sum(each is not None for each in expected) <= 60
    assert selected(again, "GC" * 200)[::2] == expected
    assert selected(other, "G" * 200) != expected


async def test_replacing_all_faults_is_atomic(emulator: Emulator, client: Client) -> None:
    put = await client.control("PUT", "faults", {"seed": 7, "faults": [{"preset": "outage"}]})
    assert (put.json["seed"], [rule["id"] for rule in put.json["faults"]]) == (7, [1])
    wrong = await client.control("PUT", "faults", {"faults": [{}, {"operation": "X"}]})
    assert (wrong.status, "faults[1]: operation" in wrong.error["message"]) == (400, True)
    assert [rule.fault.label for rule in emulator.faults.list()] == ["outage"]


async def test_reset_restores_the_first_faults() -> None:
    emulator = Emulator(faults=FaultPlan((Fault(status=503),), 7))
    emulator.faults.replace([], seed=8)
    emulator.reset()
    assert (emulator.faults.seed, len(emulator.faults.list())) == (7, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"faults = 3", "faults: expected a list"),
        (b"[[faults]]\npreset = 'gzip-bom'", "did you mean gzip-bomb"),
        (b"[[faults]]\nstatus = 'x'", "faults[0]: Expected `int | array | null`, got `str`"),
        (b"[[faults]]\nlatency = nan", "faults[0]: latency must be between 0 and 3600"),
        (b"[[faults]]\nprobability = 2", "faults[0]: probability must be between 0 and 1"),
        (b"[[faults]]\nkeys = ['!']", "faults[0]: keys must be a list of access keys"),
        (b"[[faults]]\nreset = true", "faults[0]: reset requires drop or truncate"),
        (b"[[faults]]\npad = 1000000000000", "faults[0]: pad must be between"),
        (b"seed = -1", "seed must be an integer between"),
        (b"seeds = 1", "unknown key 'seeds'"),
        (b"\xff", "not TOML: it is not UTF-8"),
        (b"x = ", "not TOML: "),
        (b"x = " + b"[" * 9999, "not TOML"),
        (b"#" * (1 << 20) + b"#", "the file is larger than 1048576 bytes"),
    ],
)
def test_an_invalid_fault_file_is_explained(tmp_path: Path, text: bytes, message: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_bytes(text)
    with pytest.raises(ValueError, match=r"\w") as raised:
        FaultPlan.from_file(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)
