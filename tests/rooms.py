"""Creating and reading rooms through a gateway, and times that the service keeps exactly."""

from __future__ import annotations

from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, Room
from google.protobuf.timestamp_pb2 import Timestamp
from running import Running

from rooms_emulator import Emulator
from rooms_emulator.timestamps import TICKS_PER_DAY, TICKS_PER_SECOND


def moment(emulator: Emulator, days: float, nanos: int = 0) -> Timestamp:
    """Return the whole second that is `days` from the emulator's now, plus `nanos`."""
    ticks = emulator.clock.now() + round(days * TICKS_PER_DAY)
    return Timestamp(seconds=ticks // TICKS_PER_SECOND, nanos=nanos)


def ticks_of(time: Timestamp) -> int:
    """Return a time in units of 100 ns, which it must be whole in."""
    ticks, rest = divmod(time.ToNanoseconds(), 100)
    assert rest == 0
    return ticks


async def create(running: Running, **fields: object) -> Room:
    return (await running.rooms.CreateRoom(CreateRoomRequest(**fields))).room  # type: ignore[arg-type] # any of them


async def get(running: Running, room_id: str) -> Room:
    return (await running.rooms.GetRoom(GetRoomRequest(room_id=room_id))).room
