"""Faults by name, drawn by a seed, and what the journal says of them."""

import asyncio
import errno
import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientOSError, ClientPayloadError, ServerDisconnectedError
from emulator.signing_client import Client

from rooms_emulator import Emulator, Fault, FaultPlan, preset
from rooms_emulator.faults.presets import PRESETS, SECOND_KEY
from rooms_emulator.faults.rules import Faults


async def statuses(client: Client, count: int) -> list[int]:
    return [(await client.call("GET", "/rooms")).status for _ in range(count)]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_fault_that_bears_its_name_and_can_be_changed(name: str) -> None:
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
async def test_a_broken_connection_leaves_the_effect_or_not_and_the_journal_says_so(
    emulator: Emulator, client: Client, name: str, failure: type[Exception], rooms: int
) -> None:
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
        ("wrong-content-type", lambda answer: answer.headers["Content-Type"] == "text/html"),
        ("invalid-json", lambda answer: answer.body == b'{"id": '),
        ("invalid-utf8", lambda answer: b"\xff" in answer.body),
        ("huge-body", lambda answer: len(answer.body) == 10_000_000 and answer.json["id"]),
        ("throttled", lambda answer: (answer.status, answer.headers["Retry-After"]) == (429, "1")),
        ("token-refused", lambda answer: (answer.status, answer.error["code"]) == (401, "Denied")),
        ("proxy-error", lambda answer: (answer.status, answer.body[:6]) == (502, b"<html>")),
        ("unavailable", lambda answer: answer.status == 503),
    ],
)
async def test_an_answer_is_spoilt_once_as_the_name_says(
    emulator: Emulator, client: Client, name: str, check: Any
) -> None:
    emulator.faults.add(preset(name))
    assert check(await client.call("POST", "/rooms", {}))
    assert (await client.call("POST", "/rooms", {})).status == 201


async def test_a_gzip_bomb_is_small_on_the_way_and_large_behind_it(
    emulator: Emulator, client: Client
) -> None:
    room = await client.create()
    emulator.faults.add(preset("gzip-bomb", pad=1_000_000))
    client._session._auto_decompress = False
    answer = await client.call("GET", f"/rooms/{room['id']}")
    assert (answer.headers["Content-Encoding"], len(answer.body) < 10_000) == ("gzip", True)
    assert gzip.decompress(answer.body).rstrip().endswith(b"}")
    assert len(gzip.decompress(answer.body)) == 1_000_000


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("looping-next-link", "http://{host}/rooms?api-version=2025-03-13"),
        ("foreign-next-link", "http://attacker.invalid/rooms?api-version=2025-03-13"),
        ("downgraded-next-link", "http://127.0.0.1:80/rooms?api-version=2025-03-13"),
        ("userinfo-next-link", "http://{host}@attacker.invalid/rooms?api-version=2025-03-13"),
    ],
)
async def test_a_link_leads_where_the_name_says(
    emulator: Emulator, client: Client, name: str, link: str
) -> None:
    emulator.faults.add(preset(name))
    page = (await client.call("GET", "/rooms")).json
    assert page["nextLink"] == link.replace("{host}", emulator.endpoint.removeprefix("http://"))


async def test_an_unknown_role_is_everybodys(emulator: Emulator, client: Client) -> None:
    (room,) = emulator.store.seed(1, participants=2)
    emulator.faults.add(preset("unknown-role", operation="ListParticipants"))
    assert [role for _, role in await client.roster(room)] == ["Stagehand"] * 2


async def test_a_shifted_clock_and_other_keys_last_until_the_reset(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(preset("clock-skew"))
    assert await statuses(client, 2) == [401, 401]
    emulator.reset()
    emulator.faults.add(preset("key-rotated", skip=1))
    assert await statuses(client, 3) == [200, 401, 401]
    client.signer.key = SECOND_KEY
    assert await statuses(client, 1) == [200]


async def test_a_drip_takes_its_time_and_arrives_whole(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(preset("slow-drip", drip=100.0))
    start = asyncio.get_running_loop().time()
    assert (await client.call("GET", "/rooms")).json == {"value": []}
    assert asyncio.get_running_loop().time() - start >= 0.09


async def test_refused_connections_come_back_and_control_has_a_port_of_its_own(
    client: Client,
) -> None:
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


def strikes(faults: Faults, operations: str) -> list[tuple[float, int | None] | None]:
    struck = [faults.select({"G": "GetRoom", "C": "CreateRoom"}[each]) for each in operations]
    return [(strike.latency, strike.status) if strike else None for strike in struck]


def test_the_same_seed_and_order_lead_to_the_same_strikes_whatever_comes_in_between() -> None:
    storm = preset("mixed-5xx", operation="GetRoom", jitter=1.0)
    lists = [Faults(("GetRoom", "CreateRoom"), seed) for seed in (7, 7, 8)]
    for faults in lists:
        faults.add(storm)
    first, again, other = lists
    expected = strikes(first, "G" * 200)
    assert 20 <= sum(each is not None for each in expected) <= 60
    assert strikes(again, "GC" * 200)[::2] == expected
    assert strikes(other, "G" * 200) != expected


async def test_a_set_of_faults_takes_the_place_of_all_or_changes_nothing(
    emulator: Emulator, client: Client
) -> None:
    put = await client.control("PUT", "faults", {"seed": 7, "faults": [{"preset": "outage"}]})
    assert (put.json["seed"], [rule["id"] for rule in put.json["faults"]]) == (7, [1])
    wrong = await client.control("PUT", "faults", {"faults": [{}, {"operation": "X"}]})
    assert (wrong.status, "faults[1]: operation" in wrong.error["message"]) == (400, True)
    assert [rule.fault.label for rule in emulator.faults.list()] == ["outage"]


async def test_faults_of_the_start_are_back_after_a_reset() -> None:
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
def test_a_file_that_is_wrong_is_told_what_and_where(
    tmp_path: Path, text: bytes, message: str
) -> None:
    file = tmp_path / "faults.toml"
    file.write_bytes(text)
    with pytest.raises(ValueError, match=r"\w") as raised:
        FaultPlan.from_file(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)
