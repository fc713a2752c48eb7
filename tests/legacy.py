"""A gateway with the preview's operations, for tests of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.legacy.v1.legacy_rooms_pb2_grpc import LegacyRoomsServiceStub
from acs.rooms.v1.participants_pb2 import ROLE_ATTENDEE, Participant, Role
from google.protobuf.timestamp_pb2 import Timestamp
from identifiers import communication_user
from people import user
from running import Running, gateway_before

from rooms_emulator import Emulator

if TYPE_CHECKING:
    from acs.rooms.legacy.v1.legacy_rooms_pb2_grpc import LegacyRoomsServiceAsyncStub

NATIVE = "2022-02-01"
STABLE = "2025-03-13"
BOTH = pytest.mark.parametrize("version", [NATIVE, STABLE])
SERVICE = "acs.rooms.legacy.v1.LegacyRoomsService"

FROM = Timestamp(seconds=1_900_000_000, nanos=123_456_700)
UNTIL = Timestamp(seconds=1_900_003_600)
NOW = 1_893_456_000 * 10**9
"""In January 2030, two months before FROM."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """A gateway with the preview's operations, and their stub."""

    running: Running
    stub: LegacyRoomsServiceAsyncStub

    @property
    def sent(self) -> list[str]:
        """What was sent to the service, by operation."""
        return [entry.operation for entry in self.running.emulator.journal]

    def roster(self, room_id: str) -> list[tuple[str, Role.ValueType]]:
        """Read the roster as the emulator keeps it."""
        return [
            (each.raw_id, Role.Value(f"ROLE_{each.role.upper()}"))
            for each in self.running.emulator.store.people(room_id)
        ]

    async def make(self, *people: Participant) -> str:
        """Make a room, forget what that took, and return its id."""
        made = await self.stub.CreateRoom(
            pb.CreateRoomRequest(valid_from=FROM, valid_until=UNTIL, participants=people)
        )
        self.running.emulator.journal.clear()
        return made.room.id


@asynccontextmanager
async def serving(version: str, *, page_size: int | None = None) -> AsyncIterator[Legacy]:
    """Run a gateway that speaks `version` before an emulator that speaks the preview too."""
    async with (
        Emulator(
            legacy=True, clock=lambda: NOW, date_margin=10**10, participants_page_size=page_size
        ) as emulator,
        gateway_before(emulator, api_version=version, enable_legacy=True) as running,
    ):
        yield Legacy(running, LegacyRoomsServiceStub(running.channel))


def person(number: int, role: Role.ValueType = ROLE_ATTENDEE) -> Participant:
    """Make a participant as answers have it."""
    return Participant(raw_id=user(number), role=role, identifier=communication_user(user(number)))
