"""Counts what a call costs."""

from __future__ import annotations

import gc
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import grpc
from acs.rooms.v1 import participants_pb2, rooms_pb2
from acs.rooms.v1.participants_pb2_grpc import ParticipantsServiceStub
from acs.rooms.v1.rooms_pb2_grpc import RoomsServiceStub

from benchmarks.guard.bounds import Counted
from benchmarks.guard.kinds import BLOCKS, KINDS
from benchmarks.guard.observed import GATEWAY, Observed, observed
from benchmarks.guard.upstream import ROOM_ID

WARM_UP = 50
CALLS = 30
BATCHES = 5
"""The median counts: the odd one has something in it that happens once a second."""
KEPT_CALLS = 150
KEPT_WINDOWS = 3

Call = Callable[[], object]


_PEOPLE = [
    participants_pb2.Participant(
        raw_id=f"8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_{number:08x}-7637-da8c-08d5-363a0d005464",
        role=participants_pb2.ROLE_PRESENTER,
    )
    for number in range(50)
]
_GET = rooms_pb2.GetRoomRequest(room_id=ROOM_ID)
_UPSERT = participants_pb2.UpsertParticipantsRequest(room_id=ROOM_ID, participants=_PEOPLE)
_LIST = rooms_pb2.ListRoomsRequest()

WORKS: dict[str, Callable[[RoomsServiceStub, ParticipantsServiceStub], object]] = {
    "GetRoom": lambda rooms, _: rooms.GetRoom(_GET),
    "UpsertParticipants of 50": lambda _, people: people.UpsertParticipants(_UPSERT),
    "ListRooms of 1 page": lambda rooms, _: list(rooms.ListRooms(_LIST)),
}
"""The calls that are counted."""


def count(only: str = "") -> Counted:
    """Return the counts of each work with `only` in its name. Raises NeverIdleError."""
    with observed() as gateway:
        loop = type(gateway.loop).__module__.partition(".")[0]
        python = f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}"
        return Counted(
            f"{python} with {loop}",
            {name: _count(gateway, call) for name, call in _calls(gateway, only)},
        )


def list_frames(only: str = "") -> Iterator[str]:
    """Return a line for each function that a call runs, in an order that can be compared.

    Raises NeverIdleError.
    """
    with observed() as gateway:
        for name, call in _calls(gateway, only):
            _repeat(gateway, call, WARM_UP)
            gateway.frames.clear()
            with gateway.profiled():
                _batch(gateway, call)
            times: Counter[str] = Counter()
            for code, number in gateway.frames.items():
                times[f"{_short(code.co_filename)} {code.co_qualname}"] += number
            for function, number in sorted(times.items()):
                if round(number / CALLS):
                    yield f"{name}: {round(number / CALLS)} × {function}"


def _calls(gateway: Observed, only: str) -> Iterator[tuple[str, Call]]:
    # A proxy of the environment is not for what runs in this process.
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(gateway.address, options) as channel:
        rooms, participants = RoomsServiceStub(channel), ParticipantsServiceStub(channel)
        for name, work in WORKS.items():
            if only in name:
                yield name, partial(work, rooms, participants)


def _short(file: str) -> str:
    """Return a file as it is called in every checkout."""
    path = Path(file)
    if path.is_relative_to(GATEWAY):
        return str(path.relative_to(GATEWAY.parent))
    return "/".join(path.parts[-3:])


def _count(gateway: Observed, call: Call) -> dict[str, int]:
    _repeat(gateway, call, WARM_UP)
    with _without_collector(), gateway.profiled():
        batches = [_batch(gateway, call) for _ in range(BATCHES)]
    counts = {
        kind.name: round(median(batch[kind.name] for batch in batches) / CALLS) for kind in KINDS
    }
    return {**counts, BLOCKS.name: round(_kept(gateway, call))}


def _batch(gateway: Observed, call: Call) -> Counter[str]:
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
