"""Bulk jobs under quotas, faults and crashes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import grpc
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.bulk_rooms_pb2 import BulkCreateRoomsResponse
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, ListRoomsRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bulk import by_key, creates
from support.commands import started
from support.fast_gateway import quick_gateway
from support.gateways import collect, gateway_for, upstream_of

from rooms_emulator import Emulator, Fault

if TYPE_CHECKING:
    from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceAsyncStub

JOB = "5f0c7e36-0b5e-4a1e-9c39-5a3a3f1c9a55"
TICKS = 10_000_000
"""Ticks of the emulator's clock in a second."""


async def test_a_job_uses_the_quota() -> None:
    """All items succeed, most of the quota is used, and few requests are rejected on the way.

    On an idle machine, at least 0.95 of the quota is used once the rate is learned.
    """
    rooms, rate = 400, 100
    async with (
        Emulator(quotas=[f"CreateRoom={rate}/1s"], journal_length=None) as emulator,
        gateway_for(emulator) as running,
    ):
        results = await by_key(running.rooms.BulkCreateRooms(iter(creates(range(rooms)))))
        entries = list(emulator.journal)
    assert all(result.HasField("response") for result in results.values())
    first_rejected = next(entry.at for entry in entries if entry.status == 429)
    accepted = [entry.at for entry in entries if entry.status == 201 and entry.at > first_rejected]
    seconds = (max(accepted) - first_rejected) / TICKS
    assert len(accepted) >= 0.5 * rate * seconds
    assert len(entries) <= 1.5 * rooms


async def test_interactive_calls_precede_a_job() -> None:
    """While all items of a job wait for a quota, an interactive call is among the next sent."""
    async with (
        Emulator(quotas=["CreateRoom=20/1s"], journal_length=None) as emulator,
        gateway_for(emulator) as running,
    ):
        call: Any = running.rooms.BulkCreateRooms(iter(creates(range(1000))))
        for _ in range(60):
            await call.read()
        overtaking = []
        for _ in range(9):
            before = len(emulator.store)
            await running.rooms.CreateRoom(CreateRoomRequest())
            overtaking.append(len(emulator.store) - before)
        call.cancel()
    assert sorted(overtaking)[4] < 10


# Without 429, after which the pacer waits in real time.
OUTCOMES = (
    {"status": 500},
    {"status": 503},
    {"drop": "before"},
    {"drop": "after"},
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(
        st.tuples(st.sampled_from(OUTCOMES), st.integers(1, 30), st.integers(0, 40)), max_size=6
    ),
    read=st.integers(0, 80),
)
def test_an_acknowledged_item_exists_once(
    faults: list[tuple[dict[str, Any], int, int]], read: int
) -> None:
    """With any faults, and a client that leaves after any result.

    The other items can be sent again with the same job id, and then each key has one room.
    """

    async def run() -> None:
        async with Emulator() as emulator:
            for outcome, count, skip in faults:
                emulator.faults.add(
                    Fault(operation="CreateRoom", count=count, skip=skip, **outcome)
                )
            async with quick_gateway(upstream_of(emulator)) as gateway:
                call: Any = gateway.rooms.BulkCreateRooms(iter(creates(range(80), JOB)))
                results = [await call.read() for _ in range(read)]
                call.cancel()
                rooms = acknowledged(results)
                assert set(rooms.values()) <= set(await existing(gateway.rooms))
                emulator.faults.clear()
                others = creates((key for key in range(80) if str(key) not in rooms), JOB)
                rooms |= acknowledged(
                    list((await by_key(gateway.rooms.BulkCreateRooms(iter(others)))).values())
                )
                assert len(rooms) == 80
                assert sorted(rooms.values()) == sorted(await existing(gateway.rooms))

    asyncio.run(run())


async def existing(stub: RoomsServiceAsyncStub) -> list[str]:
    """Return the ids of all rooms."""
    pages = await collect(stub.ListRooms(ListRoomsRequest()))
    return [room.id for page in pages for room in page.rooms]


@asynccontextmanager
async def open_stub(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield rooms_service_pb2_grpc.RoomsServiceStub(channel)


def acknowledged(results: list[BulkCreateRoomsResponse]) -> dict[str, str]:
    """Return the room ids of successful results, by key."""
    return {
        result.key: result.response.room.id for result in results if result.HasField("response")
    }


async def test_a_job_survives_a_killed_gateway(emulator: Emulator) -> None:
    """Sent again with the same job id, to another gateway, each key has one room."""
    emulator.faults.add(Fault(latency=0.02, count=None))
    upstream = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}
    listen = ("serve", "--listen", "127.0.0.1:0")
    rooms: dict[str, str] = {}
    async with (
        started(*listen, env=upstream) as gateway,
        open_stub(await gateway.address()) as stub,
    ):
        call = stub.BulkCreateRooms(iter(creates(range(500), JOB)))
        rooms |= acknowledged([await call.read() for _ in range(100)])
        gateway.signal(signal.SIGKILL)
        with suppress(grpc.aio.AioRpcError):
            while (result := await call.read()) is not grpc.aio.EOF:
                rooms |= acknowledged([result])
        assert await call.code() is not grpc.StatusCode.OK
    assert 100 <= len(rooms) < 500
    async with (
        started(*listen, env=upstream) as gateway,
        open_stub(await gateway.address()) as stub,
    ):
        again = await by_key(stub.BulkCreateRooms(iter(creates(range(500), JOB))))
    assert acknowledged(list(again.values())).items() >= rooms.items()
    assert len(emulator.store) == 500
