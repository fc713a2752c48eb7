"""Counting of the cost of calls."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import grpc
from acs.rooms.v1 import participants_pb2, rooms_pb2
from acs.rooms.v1.participants_service_pb2_grpc import ParticipantsServiceStub
from acs.rooms.v1.rooms_service_pb2_grpc import RoomsServiceStub

from benchmarks.guard.bounds import Counted
from benchmarks.guard.kinds import KINDS
from benchmarks.guard.observed import GATEWAY, Observed, observed
from benchmarks.guard.upstream import ROOM_ID

WARM_UP = 50
CALLS = 30
BATCHES = 5
"""Number of batches; their median counts, because one may contain periodic work."""

Call = Callable[[], object]


_PARTICIPANTS = [
    participants_pb2.Participant(
        raw_id=f"8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_{number:08x}-7637-da8c-08d5-363a0d005464",
        role=participants_pb2.PARTICIPANT_ROLE_PRESENTER,
    )
    for number in range(50)
]
_GET = rooms_pb2.GetRoomRequest(room_id=ROOM_ID)
_UPSERT = participants_pb2.UpsertParticipantsRequest(room_id=ROOM_ID, participants=_PARTICIPANTS)
_LIST = rooms_pb2.ListRoomsRequest()

WORKS: dict[str, Callable[[RoomsServiceStub, ParticipantsServiceStub], object]] = {
    "GetRoom": lambda rooms, _: rooms.GetRoom(_GET),
    "UpsertParticipants of 50": lambda _, participants: participants.UpsertParticipants(_UPSERT),
    "ListRooms of 1 page": lambda rooms, _: list(rooms.ListRooms(_LIST)),
}
"""The calls to count."""


def count(only: str = "", patience: float = 30.0) -> Counted:
    """Return the counts of each call with `only` in its name. Raises NeverIdleError."""
    with observed(patience) as gateway:
        return Counted(
            f"{platform.python_implementation()} {sys.version_info[0]}.{sys.version_info[1]}",
            {name: _count(gateway, call) for name, call in _calls(gateway, only)},
        )


def list_frames(only: str = "", patience: float = 30.0) -> Iterator[str]:
    """Return one line per function that a call runs, sorted, so that runs can be compared.

    Raises NeverIdleError.
    """
    with observed(patience) as gateway:
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
    # The environment may name a proxy, which must not carry loopback traffic.
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(gateway.address, options) as channel:
        rooms, participants = RoomsServiceStub(channel), ParticipantsServiceStub(channel)
        for name, work in WORKS.items():
            if only in name:
                yield name, partial(work, rooms, participants)


def _short(file: str) -> str:
    """Return a file name that is the same in every checkout."""
    path = Path(file)
    if path.is_relative_to(GATEWAY):
        return str(path.relative_to(GATEWAY.parent))
    return "/".join(path.parts[-3:])


def _count(gateway: Observed, call: Call) -> dict[str, int]:
    _repeat(gateway, call, WARM_UP)
    with gateway.profiled():
        batches = [_batch(gateway, call) for _ in range(BATCHES)]
    return {
        kind.name: round(median(batch[kind.name] for batch in batches) / CALLS) for kind in KINDS
    }


def _batch(gateway: Observed, call: Call) -> Counter[str]:
    before = gateway.counts.copy()
    _repeat(gateway, call, CALLS)
    return gateway.counts - before


def _repeat(gateway: Observed, call: Call, times: int) -> None:
    for _ in range(times):
        call()
    gateway.wait_until_idle()
