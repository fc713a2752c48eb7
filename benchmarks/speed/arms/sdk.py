"""Microsoft's asynchronous Python client within a program: no gateway, no gRPC.

Measures the cost for a Python program that calls the Rooms service directly. Reads one JSON job per
line, runs it, and prints the result in the format of the load generator.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from acs.rooms.v1 import participants_pb2, rooms_pb2
from azure.communication.rooms import ParticipantRole, RoomParticipant, UnknownIdentifier
from azure.communication.rooms.aio import RoomsClient
from azure.core.credentials import AzureKeyCredential

from benchmarks.speed.arms.serving import API_VERSION

Do = Callable[["Tally"], Awaitable[None]]


class Tally:
    """Counts and latencies so far."""

    def __init__(self) -> None:
        self.calls = 0
        self.items = 0
        self.latencies: list[float] = []

    def begin(self) -> None:
        """Discard the warm-up."""
        self.__init__()  # type: ignore[misc] # resets all attributes


def _participants(request: Any) -> list[RoomParticipant]:
    return [
        RoomParticipant(
            communication_identifier=UnknownIdentifier(each.raw_id),
            role=ParticipantRole.ATTENDEE,
        )
        for each in request.participants
    ]


def _doing(client: RoomsClient, method: str, content: bytes) -> Do:
    if method.endswith("/GetRoom"):
        room_id = rooms_pb2.GetRoomRequest.FromString(content).room_id

        async def get_room(_: Tally) -> None:
            await client.get_room(room_id)

        return get_room
    if method.endswith("/CreateRoom"):
        participants = _participants(rooms_pb2.CreateRoomRequest.FromString(content))

        async def create_room(_: Tally) -> None:
            await client.create_room(participants=participants)

        return create_room
    if method.endswith("/UpsertParticipants"):
        request = participants_pb2.UpsertParticipantsRequest.FromString(content)
        roster = _participants(request)

        async def upsert(_: Tally) -> None:
            await client.add_or_update_participants(room_id=request.room_id, participants=roster)

        return upsert

    async def list_rooms(tally: Tally) -> None:
        async for _ in client.list_rooms():
            tally.items += 1

    return list_rooms


async def _measure(client: RoomsClient, job: dict[str, Any]) -> dict[str, float]:
    do = _doing(client, job["method"], bytes.fromhex(job["request"]))
    tally, limit = Tally(), job["calls"] or math.inf

    async def caller() -> None:
        nonlocal limit
        while limit > 0:
            limit -= 1
            started = time.perf_counter()
            await do(tally)
            tally.calls += 1
            tally.latencies.append(time.perf_counter() - started)

    started, cpu = time.perf_counter(), time.process_time()
    callers = [asyncio.ensure_future(caller()) for _ in range(job["callers"])]
    if not job["calls"]:
        await asyncio.wait(callers, timeout=job["warmup"])
        tally.begin()
        started, cpu = time.perf_counter(), time.process_time()
    ended, _ = await asyncio.wait(
        callers,
        timeout=None if job["calls"] else job["seconds"],
        return_when=asyncio.FIRST_EXCEPTION,
    )
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    failed = [each for each in ended if each.exception() is not None]
    for each in callers:
        each.cancel()
    await asyncio.wait(callers)
    latencies = sorted(tally.latencies) or [0.0]
    return {
        "calls": tally.calls,
        "errors": len(failed),
        "items": tally.items,
        "seconds": seconds,
        "server_cpu": used,
        **{f"p{part}": latencies[(len(latencies) - 1) * part // 100] for part in (50, 90, 99)},
        "max": latencies[-1],
    }


async def _main(origin: str, key: str) -> None:
    # Plain text: the default of the client breaks its links to second pages under Python 3.11.
    async with RoomsClient(origin, AzureKeyCredential(key), api_version=API_VERSION) as client:
        print("ready on stdin", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _measure(client, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
