"""Counts what a gateway does for a call: it in this thread, its callers and its upstream in others.

A profile function of Python sees one thread only, so what the others do is not counted.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
from acs.rooms.v1 import participants_pb2, participants_pb2_grpc, rooms_pb2, rooms_pb2_grpc

import gateway
from benchmarks.guard import upstream
from benchmarks.guard.upstream import ROOM_ID, Received
from gateway import loops
from gateway.app import Gateway
from gateway.endpoint import Endpoint
from gateway.rest.versions import DEFAULT_API_VERSION
from gateway.settings import Settings, Upstream
from gateway.telemetry import logs

OURS = str(Path(gateway.__file__).parent)
WARM_UP = 60
CALLS = 20
BATCHES = 7
"""The one that counts least counts: what comes from outside of a call only adds."""
KEPT_CALLS = 1000
KEPT_WINDOWS = 3

Counts = Mapping[str, float]
Call = Callable[[], object]


def works(channel: grpc.Channel) -> dict[str, Call]:
    """Return the calls that are counted."""
    rooms = rooms_pb2_grpc.RoomsServiceStub(channel)
    participants = participants_pb2_grpc.ParticipantsServiceStub(channel)
    get = rooms_pb2.GetRoomRequest(room_id=ROOM_ID)
    resource = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_"
    people = [
        participants_pb2.Participant(
            raw_id=f"{resource}{number:08x}-7637-da8c-08d5-363a0d005464",
            role=participants_pb2.ROLE_PRESENTER,
        )
        for number in range(50)
    ]
    upsert = participants_pb2.UpsertParticipantsRequest(room_id=ROOM_ID, participants=people)
    return {
        "GetRoom": lambda: rooms.GetRoom(get),
        "UpsertParticipants, 50 people": lambda: participants.UpsertParticipants(upsert),
        "ListRooms, 1 page": lambda: list(rooms.ListRooms(rooms_pb2.ListRoomsRequest())),
    }


def count_all() -> dict[str, Counts]:
    """Return the counts of each work, by what is counted; with logs, as the gateway ships."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        logs.configure("info", logs.LogFormat.JSON)
        with upstream.running() as received:
            return loops.run(_count_all(received))


async def _count_all(received: Received) -> dict[str, Counts]:
    tasks: Counter[str] = Counter()

    def make(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **others: Any
    ) -> asyncio.Task[Any]:
        tasks["made"] += 1
        return asyncio.Task(coroutine, loop=loop, **others)

    settings = Settings(
        upstream=Upstream.with_key(Endpoint.parse(f"http://127.0.0.1:{received.port}"), b"key"),
        api_version=DEFAULT_API_VERSION,
        listen=("127.0.0.1:0",),
        admin_listen="127.0.0.1:0",
    )
    async with Gateway(settings) as running:
        asyncio.get_running_loop().set_task_factory(make)
        with grpc.insecure_channel(running.addresses[0]) as channel:
            return {
                name: await _count(call, received, tasks) for name, call in works(channel).items()
            }


async def _count(call: Call, received: Received, tasks: Counter[str]) -> Counts:
    await _repeat(call, WARM_UP)
    nothing, batches = [], []
    gc.collect()
    gc.disable()
    for _ in range(BATCHES):
        nothing.append(await _batch(call, 0, received, tasks))
        batches.append(await _batch(call, CALLS, received, tasks))
    gc.enable()
    least = {
        name: (min(seen[name] for seen in batches) - min(seen[name] for seen in nothing)) / CALLS
        for name in batches[0]
    }
    return {**least, "blocks of memory kept": await _kept(call)}


async def _batch(
    call: Call, times: int, received: Received, tasks: Counter[str]
) -> dict[str, float]:
    before = received.requests, received.bytes, tasks["made"]
    with _profiled() as frames:
        await _repeat(call, times)
    return {
        "frames of the gateway": frames["ours"],
        "frames of all": frames["all"],
        "calls into C": frames["c"],
        "tasks": tasks["made"] - before[2],
        "upstream requests": received.requests - before[0],
        "upstream bytes": received.bytes - before[1],
    }


@contextmanager
def _profiled() -> Iterator[Counter[str]]:
    """Count the Python frames that this thread enters or resumes, and its calls into C."""
    counts: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counts["all"] += 1
            counts["ours"] += frame.f_code.co_filename.startswith(OURS)
        elif event == "c_call":
            counts["c"] += 1

    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)


async def _kept(call: Call) -> float:
    found = []
    for _ in range(KEPT_WINDOWS):
        gc.collect()
        before = sys.getallocatedblocks()
        await _repeat(call, KEPT_CALLS)
        gc.collect()
        found.append((sys.getallocatedblocks() - before) / KEPT_CALLS)
    return max(0.0, min(found))


async def _repeat(call: Call, times: int) -> None:
    def repeat() -> None:
        for _ in range(times):
            call()

    await asyncio.to_thread(repeat)
