"""Counts what a call costs."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import grpc
from acs.rooms.v1 import participants_pb2, participants_pb2_grpc, rooms_pb2, rooms_pb2_grpc

from benchmarks.guard.observed import Observed, observed
from benchmarks.guard.upstream import ROOM_ID

WARM_UP = 50
CALLS = 40
BATCHES = 5
"""The median counts: the odd one has something in it that happens once a second."""
KEPT_CALLS = 250
KEPT_WINDOWS = 3

Counts = Mapping[str, float]
Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that is counted."""

    name: str
    allowance: float
    """How many more are no fault."""
    of_python: bool = False
    """Whether it differs between versions of Python, and between event loops."""


KINDS = (
    Kind("frames of the gateway", 0, of_python=True),
    Kind("frames of all", 2, of_python=True),
    Kind("calls into C", 4, of_python=True),
    Kind("tasks", 0),
    Kind("steps of tasks", 0),
    Kind("upstream requests", 0),
    Kind("upstream connections", 0),
    Kind("upstream writes", 0),
    # The gateway's version is in them.
    Kind("upstream bytes", 2),
    Kind("blocks of memory kept", 0.5),
)


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
        "UpsertParticipants of 50": lambda: participants.UpsertParticipants(upsert),
        "ListRooms of 1 page": lambda: list(rooms.ListRooms(rooms_pb2.ListRoomsRequest())),
    }


def count(only: str = "") -> tuple[str, dict[str, Counts]]:
    """Return what it was counted on, and the counts of each work with `only` in its name."""
    with observed() as gateway, grpc.insecure_channel(gateway.address) as channel:
        loop = type(gateway.loop).__module__.partition(".")[0]
        version = ".".join(platform.python_version_tuple()[:2])
        return f"{platform.python_implementation()} {version} with {loop}", {
            name: _count(gateway, call) for name, call in works(channel).items() if only in name
        }


def _count(gateway: Observed, call: Call) -> Counts:
    _repeat(gateway, call, WARM_UP)
    with _without_collector(), gateway.profiled():
        batches = [_batch(gateway, call) for _ in range(BATCHES)]
    counts: dict[str, float] = {
        kind.name: round(median(batch[kind.name] for batch in batches) / CALLS) for kind in KINDS
    }
    return {**counts, "blocks of memory kept": round(_kept(gateway, call), 1)}


def _batch(gateway: Observed, call: Call) -> Mapping[str, int]:
    before = gateway.counts.copy()
    _repeat(gateway, call, CALLS)
    return gateway.counts - before


def _kept(gateway: Observed, call: Call) -> float:
    """Return how many blocks a call leaves behind, of all threads: others' come and go."""
    windows = []
    for _ in range(KEPT_WINDOWS):
        gc.collect()
        before = sys.getallocatedblocks()
        _repeat(gateway, call, KEPT_CALLS)
        gc.collect()
        windows.append((sys.getallocatedblocks() - before) / KEPT_CALLS)
    return max(0.0, min(windows))


def _repeat(gateway: Observed, call: Call, times: int) -> None:
    for _ in range(times):
        call()
    gateway.wait_until_idle()


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
