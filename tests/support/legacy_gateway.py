"""A gateway with LegacyRoomsService, and its stub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.legacy.v1.legacy_rooms_service_pb2_grpc import LegacyRoomsServiceStub
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_ATTENDEE, Participant, ParticipantRole
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_emulator import Emulator
from support.gateways import Running, gateway_for
from support.samples import communication_user, user

if TYPE_CHECKING:
    from acs.rooms.legacy.v1.legacy_rooms_service_pb2_grpc import LegacyRoomsServiceAsyncStub

STABLE = "2025-03-13"
SERVICE = "acs.rooms.legacy.v1.LegacyRoomsService"

FROM = Timestamp(seconds=1_900_000_000, nanos=123_456_700)
UNTIL = Timestamp(seconds=1_900_003_600)
NOW = 1_893_456_000 * 10**9
"""In January 2030, two months before FROM."""


@dataclass(frozen=True, slots=True)
class Legacy:
    """A gateway with LegacyRoomsService, and its stub."""

    running: Running
    stub: LegacyRoomsServiceAsyncStub

    @property
    def sent(self) -> list[str]:
        """Return the operations that the emulator received, in order."""
        return [entry.operation for entry in self.running.emulator.journal]

    def roster(self, room_id: str) -> list[tuple[str, ParticipantRole.ValueType]]:
        """Read the roster from the store of the emulator."""
        return [
            (each.raw_id, ParticipantRole.Value(f"PARTICIPANT_ROLE_{each.role.upper()}"))
            for each in self.running.emulator.store.roster(room_id)
        ]

    async def make(self, *participants: Participant) -> str:
        """Create a room, clear the journal, and return the id of the room."""
        made = await self.stub.CreateRoom(
            pb.CreateRoomRequest(valid_from=FROM, valid_until=UNTIL, participants=participants)
        )
        self.running.emulator.journal.clear()
        return made.room.id


@asynccontextmanager
async def serving(version: str, *, page_size: int | None = None) -> AsyncIterator[Legacy]:
    """Run a gateway that uses api-version `version`, in front of an emulator."""
    async with (
        Emulator(
            clock=lambda: NOW, date_margin=10**10, participants_page_size=page_size
        ) as emulator,
        gateway_for(emulator, api_version=version, enable_legacy=True) as running,
    ):
        yield Legacy(running, LegacyRoomsServiceStub(running.channel))


def participant(
    number: int, role: ParticipantRole.ValueType = PARTICIPANT_ROLE_ATTENDEE
) -> Participant:
    """Return a participant in the form of responses."""
    return Participant(raw_id=user(number), role=role, identifier=communication_user(user(number)))
