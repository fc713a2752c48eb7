"""Idempotency of creates with a Repeatability-Request-ID."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from aiohttp import ServerDisconnectedError
from support.samples import user
from support.signed_requests import Client, Response

from rooms_emulator import Emulator, Fault
from rooms_emulator.rooms.records import Room
from rooms_emulator.rooms.repeatability import RememberedCreates


async def create(client: Client, request_id: str, body: object = None) -> Response:
    lines = {
        "Repeatability-Request-ID": request_id,
        "Repeatability-First-Sent": "Thu, 06 Mar 2025 00:20:03 GMT",
    }
    return await client.call("POST", "/rooms", body or {}, headers=lines)


@pytest.mark.parametrize(
    "request_id",
    [
        "5baf1d06-ec83-11f1-b942-02fc00000001",
        "34f41bf0-74c8-418d-9750-944f9c2c1200",
        "6FAA8E75-2A72-4D04-9835-C682AC7FADA7",
    ],
)
async def test_a_repeated_create_is_replayed(
    emulator: Emulator, client: Client, request_id: str
) -> None:
    first = await create(client, request_id)
    again = await create(client, request_id)
    assert (again.status, again.body) == (first.status, first.body)
    for name in ("Location", "Repeatability-Result"):
        assert again.headers[name] == first.headers[name]
    assert len(emulator.store) == 1


async def test_request_ids_ignore_case(emulator: Emulator, client: Client) -> None:
    request_id = str(uuid4())
    await create(client, request_id)
    await create(client, request_id.upper())
    assert len(emulator.store) == 1


async def test_the_first_response_is_replayed(emulator: Emulator, client: Client) -> None:
    """An update or a deletion of the room does not change the replayed response."""
    request_id = str(uuid4())
    first = await create(client, request_id, {"participants": {user(1): {}}})
    path = f"/rooms/{first.json['id']}"
    await client.call("PATCH", path, {"pstnDialOutEnabled": True})
    assert (await create(client, request_id)).body == first.body
    await client.call("DELETE", path)
    assert (await create(client, request_id)).body == first.body
    assert len(emulator.store) == 0


async def test_concurrent_creates_make_one_room(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", latency=0.05, count=None))
    request_id = str(uuid4())
    responses = await asyncio.gather(*(create(client, request_id) for _ in range(8)))
    assert len({response.body for response in responses}) == 1
    assert len(emulator.store) == 1


async def test_a_create_with_a_lost_response(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", drop="after"))
    request_id = str(uuid4())
    with pytest.raises(ServerDisconnectedError):
        await create(client, request_id)
    assert len(emulator.store) == 1
    assert (await create(client, request_id)).status == 201
    assert len(emulator.store) == 1


async def test_a_failed_create_is_not_remembered(emulator: Emulator, client: Client) -> None:
    request_id = str(uuid4())
    rejected = await create(client, request_id, {"validUntil": "2022-11-23"})
    assert rejected.status == 400
    emulator.faults.add(Fault(operation="CreateRoom", status=503))
    assert (await create(client, request_id)).status == 503
    assert (await create(client, request_id)).status == 201


async def test_other_ids_make_other_rooms(emulator: Emulator, client: Client) -> None:
    for request_id in (str(uuid4()), str(uuid4())):
        await create(client, request_id)
    for _ in range(2):
        await client.create()
    assert len(emulator.store) == 4


@pytest.mark.parametrize(
    "request_id",
    [
        "",
        "x",
        "123",
        "{4403ad31-6d58-42b2-8fac-9ac43bfc04e9}",
        "4403ad316d5842b28fac9ac43bfc04e9",
        "é" * 36,
    ],
)
async def test_a_malformed_request_id_is_400(
    emulator: Emulator, client: Client, request_id: str
) -> None:
    response = await create(client, request_id)
    assert (response.status, response.headers["x-ms-error-code"]) == (400, "BadRequest")
    assert len(emulator.store) == 0


def test_the_oldest_creates_are_forgotten_first() -> None:
    creates = RememberedCreates(limit=2)
    ids = [str(uuid4()) for _ in range(3)]
    for number, request_id in enumerate(ids):
        creates.remember(request_id, Room(str(number), 0, 0, 0, pstn_dial_out_enabled=False))
    rooms = [creates.recall(request_id) for request_id in ids]
    assert [room and room.id for room in rooms] == [None, "1", "2"]
