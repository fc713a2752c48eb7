from __future__ import annotations

import asyncio
import uuid

from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, Room
from support.gateways import Running, gateway_for

from rooms_emulator import Emulator, Fault
from rooms_gateway.services.create_replays import ReplayDetector


def create_request() -> CreateRoomRequest:
    return CreateRoomRequest(request_id=str(uuid.uuid4()))


async def test_a_first_create_is_no_replay(running: Running) -> None:
    assert not (await running.rooms.CreateRoom(create_request())).replayed
    assert not (await running.rooms.CreateRoom(CreateRoomRequest())).replayed


async def test_a_repeated_create_is_a_replay(running: Running) -> None:
    request = create_request()
    first = await running.rooms.CreateRoom(request)
    second = await running.rooms.CreateRoom(request)
    assert second.replayed
    assert second.room == first.room
    assert len(running.emulator.store) == 1


async def test_a_replay_through_another_gateway(
    emulator: Emulator,
) -> None:
    """The second gateway detects it by the age of the room."""
    request = create_request()
    async with gateway_for(emulator) as one, gateway_for(emulator) as other:
        first = await one.rooms.CreateRoom(request)
        emulator.clock.advance(5)
        second = await other.rooms.CreateRoom(request)
    assert second.room == first.room
    assert (first.replayed, second.replayed) == (False, True)
    assert len(emulator.store) == 1


async def test_one_of_concurrent_creates_is_no_replay(
    running: Running,
) -> None:
    request = create_request()
    responses = await asyncio.gather(*(running.rooms.CreateRoom(request) for _ in range(20)))
    assert len({response.room.id for response in responses}) == 1
    assert [response.replayed for response in responses].count(False) == 1
    assert len(running.emulator.store) == 1


async def test_concurrent_creates_through_two_gateways(
    emulator: Emulator,
) -> None:
    """Together they create one room."""
    request = create_request()
    async with gateway_for(emulator) as one, gateway_for(emulator) as other:
        responses = await asyncio.gather(
            *(each.rooms.CreateRoom(request) for _ in range(10) for each in (one, other))
        )
    assert len({response.room.id for response in responses}) == 1
    assert len(emulator.store) == 1


async def test_a_retried_create_is_no_replay(
    running: Running,
) -> None:
    """It creates one room."""
    running.emulator.faults.add(Fault(operation="CreateRoom", drop="after"))
    response = await running.rooms.CreateRoom(create_request())
    assert not response.replayed
    assert running.requests("CreateRoom") == 2
    assert len(running.emulator.store) == 1


def test_the_number_of_known_creates_is_bounded() -> None:
    creates = ReplayDetector(limit=2)
    room = Room(id="1")
    for request_id in ("a", "b", "c"):
        assert not creates.is_replay(request_id, room, 0.0)
    assert creates.is_replay("c", room, 0.0)
    assert not creates.is_replay("a", room, 0.0)
