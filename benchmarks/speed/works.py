"""The workloads: call, number of callers, and upstream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.message import Message

ROOM_ID = "99445276259151407"

_TLS = ", TLS"

ROOM_BYTES = 60
"""Minimum size of a message with a complete room, in bytes."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call, repeated by a number of callers."""

    name: str
    method: str
    request: Message
    callers: int
    response_bytes: int = 0
    """Minimum size of a response, in bytes; a smaller one is an error."""
    pages: int = 0
    """Number of pages of the list of the upstream, for a call that streams it."""
    size: int = 0
    """Number of rooms on each page."""
    tls: bool = False
    """Whether the upstream is reached over TLS."""
    weight: int = 1
    """Factor for the number of rounds; larger where the result is close to a target."""

    @property
    def streams(self) -> bool:
        """Whether the response is a stream, counted in rooms and not in calls."""
        return self.pages > 0

    @property
    def unit(self) -> str:
        """Unit of the counts."""
        return "rooms" if self.streams else "calls"

    @property
    def plain_name(self) -> str:
        """Name of the same workload without TLS."""
        return self.name.removesuffix(_TLS)

    def over_tls(self) -> Work:
        """Return the same workload over TLS."""
        return replace(self, name=f"{self.name}{_TLS}", tls=True)


def user(number: int) -> str:
    """Return a raw id with the length of real ones."""
    return f"8:acs:3a1c1f0e-6a3f-4a53-8f4b-7c6f2f1d9e52_{number:08x}-7d2b-4d6a-9f10-a1b2c3d4e5f6"


def get_room(callers: int) -> Work:
    """Return a workload that reads a room."""
    return Work(
        f"GetRoom, {callers} callers" if callers > 1 else "GetRoom, 1 caller",
        "/acs.rooms.v1.RoomsService/GetRoom",
        rooms_pb2.GetRoomRequest(room_id=ROOM_ID),
        callers,
        ROOM_BYTES,
        weight=3 if callers in {16, 64} else 1,
    )


def create_room(participants: int, callers: int = 16) -> Work:
    """Return a workload that creates a room with participants."""
    return Work(
        f"CreateRoom, {participants} participants",
        "/acs.rooms.v1.RoomsService/CreateRoom",
        rooms_pb2.CreateRoomRequest(participants=_participants(participants)),
        callers,
        ROOM_BYTES,
    )


def upsert(participants: int, callers: int = 16) -> Work:
    """Return a workload that upserts participants."""
    return Work(
        f"UpsertParticipants, {participants}",
        "/acs.rooms.v1.ParticipantsService/UpsertParticipants",
        participants_pb2.UpsertParticipantsRequest(
            room_id=ROOM_ID, participants=_participants(participants)
        ),
        callers,
    )


def list_rooms(pages: int, size: int, callers: int = 4) -> Work:
    """Return a workload that lists all rooms."""
    return Work(
        f"ListRooms, {pages:,} pages of {size}",
        "/acs.rooms.v1.RoomsService/ListRooms",
        rooms_pb2.ListRoomsRequest(),
        callers,
        pages=pages,
        size=size,
        weight=2,
    )


def _participants(number: int) -> Iterator[participants_pb2.Participant]:
    for index in range(number):
        yield participants_pb2.Participant(
            raw_id=user(index), role=participants_pb2.PARTICIPANT_ROLE_ATTENDEE
        )


PLAIN: tuple[Work, ...] = (
    *(get_room(callers) for callers in (1, 16, 64, 256)),
    create_room(10),
    *(upsert(count) for count in (1, 50, 350)),
    list_rooms(100, 100),
    list_rooms(1000, 30),
)

WORKS: tuple[Work, ...] = PLAIN + tuple(work.over_tls() for work in PLAIN)
