"""Quotas over HTTP: the rejection, the journal, and the control API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.signed_requests import Client, client_session

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault

CREATES = "CreateRoom=1/1m"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Start an emulator with a quota and a frozen clock, by which no quota is refilled."""
    async with Emulator(quotas=[CREATES]) as running:
        running.clock.freeze()
        yield running


async def create(client: Client) -> int:
    return (await client.call("POST", "/rooms", {})).status


async def test_a_throttled_request_has_no_effect(emulator: Emulator, client: Client) -> None:
    """It is 429 with the error envelope and the wait; other operations are not limited."""
    assert await create(client) == 201
    rejected = await client.call("POST", "/rooms", {})
    assert (rejected.status, rejected.headers["Retry-After"]) == (429, "60")
    assert rejected.headers["x-ms-error-code"] == "TooManyRequests"
    assert rejected.json == {"error": {"code": "TooManyRequests", "message": "Too Many Requests."}}
    assert len(emulator.store) == 1
    assert (await client.call("GET", "/rooms")).status == 200


async def test_the_emulators_clock_refills_quotas(emulator: Emulator, client: Client) -> None:
    assert [await create(client), await create(client)] == [201, 429]
    emulator.clock.advance(60)
    assert [await create(client), await create(client)] == [201, 429]


async def test_the_identity_api_has_quotas_too(emulator: Emulator, client: Client) -> None:
    emulator.quotas.replace(["CreateIdentity=1/1s,retry-after=x-ms"])
    path, version = "/identities", "2023-10-01"
    assert (await client.call("POST", path, version=version)).status == 201
    rejected = await client.call("POST", path, version=version)
    assert (rejected.status, rejected.headers["x-ms-retry-after-ms"]) == (429, "1000")
    assert rejected.error["code"] == "TooManyRequests"
    assert "Retry-After" not in rejected.headers


async def test_operations_of_the_preview_have_quotas() -> None:
    quotas = ["CreateRoom=1/1h"]
    async with Emulator(legacy=True, quotas=quotas) as emulator, client_session() as session:
        preview = Client(session, emulator.endpoint)
        for status in (201, 429):
            version = "2022-02-01"
            assert (await preview.call("POST", "/rooms", {}, version=version)).status == status


async def test_the_journal_names_the_quota(emulator: Emulator, client: Client) -> None:
    await create(client)
    await create(client)
    assert [(entry.status, entry.quota) for entry in emulator.journal] == [
        (201, None),
        (429, CREATES),
    ]
    _, rejected = (await client.control("GET", "journal")).json["requests"]
    assert (rejected["quota"], rejected["fault"], rejected["faulty"]) == (CREATES, None, False)


async def test_requests_that_cost_no_quota(emulator: Emulator, client: Client) -> None:
    """Those with wrong credentials, and those that a fault keeps from the operation."""
    emulator.authenticator.keys = ("YW5vdGhlcg==",)
    assert await create(client) == 401
    emulator.authenticator.keys = (DEVELOPMENT_KEY,)
    emulator.faults.add(Fault(status=503))
    assert await create(client) == 503
    assert await create(client) == 201
    assert [(each.accepted, each.rejected) for each in emulator.quotas.list()] == [(1, 0)]


async def test_malformed_requests_cost_quota(client: Client) -> None:
    assert (await client.call("POST", "/rooms", b"{")).status == 400
    assert await create(client) == 429


async def test_a_fault_changes_the_rejection(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(count=None, headers={"Retry-After": "soon"}, body="<html>"))
    assert await create(client) == 201
    rejected = await client.call("POST", "/rooms", {})
    assert (rejected.status, rejected.body) == (429, b"<html>")
    assert rejected.headers["Retry-After"] == "soon"


async def test_quotas_over_the_control_api(client: Client) -> None:
    """They are listed with counters, replaced as a whole, and begin unused."""
    texts = ["reads=1/1h,window", "all=3/1h,counted,retry-after=none"]
    response = await client.control("PUT", "quotas", {"quotas": texts})
    fresh = [{"quota": text, "accepted": 0, "rejected": 0} for text in texts]
    assert (response.status, response.json) == (200, {"quotas": fresh})
    assert [(await client.call("GET", "/rooms")).status for _ in range(2)] == [200, 429]
    assert [await create(client), await create(client)] == [201, 429]
    assert (await client.control("GET", "quotas")).json["quotas"] == [
        {"quota": texts[0], "accepted": 1, "rejected": 1},
        {"quota": texts[1], "accepted": 2, "rejected": 1},
    ]
    assert (await client.control("PUT", "quotas", {"quotas": texts})).json == {"quotas": fresh}
    assert (await client.control("DELETE", "quotas")).status == 204
    assert (await client.control("GET", "quotas")).json == {"quotas": []}
    assert [await create(client) for _ in range(4)] == [201] * 4


async def test_reset_restores_the_first_quotas(emulator: Emulator, client: Client) -> None:
    assert await create(client) == 201
    await client.control("PUT", "quotas", {"quotas": ["reads=5/1s"]})
    assert (await client.control("POST", "reset")).status == 204
    assert [state.quota for state in emulator.quotas.list()] == [CREATES]
    assert [await create(client), await create(client)] == [201, 429]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"quotas": ["GetRoom=1/1s", "GetRoom=2/1s"]}, "there is another quota for GetRoom"),
        ({"quotas": ["GetRooms=1/1s"]}, "unknown operation 'GetRooms' (did you mean GetRoom?)"),
        ({"quotas": ["GetRoom=0/1s"]}, "COUNT must be an integer between 1 and 1000000"),
        ({"quotas": ["GetRoom=1/0s"]}, "PERIOD must be an integer with one of the units"),
        ({"quotas": ["\x00=1/1s"]}, r"quota '\x00=1/1s': unknown operation '\x00'"),
        ({"quotas": "GetRoom=1/1s"}, "Expected `array`, got `str` - at `$.quotas`"),
        ({"quotas": [1]}, "Expected `str`, got `int` - at `$.quotas[0]`"),
        ({}, "Object missing required field `quotas`"),
        ({"quotas": [], "seed": 1}, "Object contains unknown field `seed`"),
        ([], "Expected `object`, got `array`"),
    ],
)
async def test_invalid_quotas_are_400(
    emulator: Emulator, client: Client, content: Any, message: str
) -> None:
    """The quotas are unchanged."""
    response = await client.control("PUT", "quotas", content)
    assert (response.status, response.error["code"]) == (400, "InvalidControlRequest")
    assert message in response.error["message"]
    assert [state.quota for state in emulator.quotas.list()] == [CREATES]
