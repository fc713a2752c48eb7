"""The work that every arm is given: which call, from how many callers, over which upstream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.message import Message

ROOM_ID = "99445276259151407"

_TLS = ", TLS"

ROOM_BYTES = 60
"""The least that a message with a whole room in it has."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call, made again and again."""

    name: str
    method: str
    request: Message
    callers: int
    answer_bytes: int = 0
    """The least that an answer must have to count."""
    pages: int = 0
    """The length of the upstream's list, for a call that streams it."""
    size: int = 0
    """The rooms on each page."""
    tls: bool = False
    """Whether the upstream is spoken to over TLS."""
    weight: int = 1
    """How many times as many rounds it is given: more where a target is close."""

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream, counted in rooms and not in calls."""
        return self.pages > 0

    @property
    def unit(self) -> str:
        """What is counted."""
        return "rooms" if self.streams else "calls"

    @property
    def plain_name(self) -> str:
        """The name of the same work over a plain upstream."""
        return self.name.removesuffix(_TLS)

    def over_tls(self) -> Work:
        """Return the same work over a TLS upstream."""
        return replace(self, name=f"{self.name}{_TLS}", tls=True)


def user(number: int) -> str:
    """Return the raw id of a user, as long as real ones are."""
    return f"8:acs:3a1c1f0e-6a3f-4a53-8f4b-7c6f2f1d9e52_{number:08x}-7d2b-4d6a-9f10-a1b2c3d4e5f6"


def get_room(callers: int) -> Work:
    """Read a room."""
    return Work(
        f"GetRoom, {callers} callers" if callers > 1 else "GetRoom, 1 caller",
        "/acs.rooms.v1.RoomsService/GetRoom",
        rooms_pb2.GetRoomRequest(room_id=ROOM_ID),
        callers,
        ROOM_BYTES,
        weight=3 if callers in {16, 64} else 1,
    )


def create_room(people: int, callers: int = 16) -> Work:
    """Make a room with people in it."""
    return Work(
        f"CreateRoom, {people} participants",
        "/acs.rooms.v1.RoomsService/CreateRoom",
        rooms_pb2.CreateRoomRequest(participants=_people(people)),
        callers,
        ROOM_BYTES,
    )


def upsert(people: int, callers: int = 16) -> Work:
    """Put people into a room."""
    return Work(
        f"UpsertParticipants, {people}",
        "/acs.rooms.v1.ParticipantsService/UpsertParticipants",
        participants_pb2.UpsertParticipantsRequest(room_id=ROOM_ID, participants=_people(people)),
        callers,
    )


def list_rooms(pages: int, size: int, callers: int = 4) -> Work:
    """Stream all rooms, from a few callers at once."""
    return Work(
        f"ListRooms, {pages:,} pages of {size}",
        "/acs.rooms.v1.RoomsService/ListRooms",
        rooms_pb2.ListRoomsRequest(),
        callers,
        pages=pages,
        size=size,
        weight=2,
    )


def _people(number: int) -> Iterator[participants_pb2.Participant]:
    for index in range(number):
        yield participants_pb2.Participant(raw_id=user(index), role=participants_pb2.ROLE_ATTENDEE)


PLAIN: tuple[Work, ...] = (
    *(get_room(callers) for callers in (1, 16, 64, 256)),
    create_room(10),
    *(upsert(people) for people in (1, 50, 350)),
    list_rooms(100, 100),
    list_rooms(1000, 30),
)

WORKS: tuple[Work, ...] = PLAIN + tuple(work.over_tls() for work in PLAIN)
