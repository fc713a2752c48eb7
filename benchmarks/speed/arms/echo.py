"""An upper bound: a grpc.aio server that responds at once, without an upstream."""

from __future__ import annotations

from typing import Any

import grpc
from acs.rooms.v1 import (
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)

from benchmarks.speed.arms.serving import main

ROOM = rooms_pb2.Room(id="99445276259151407", pstn_dial_out_enabled=False)
for _time in (ROOM.created_at, ROOM.valid_from, ROOM.valid_until):
    _time.FromJsonString("2026-08-03T09:14:27.1234567Z")


class _Rooms(rooms_service_pb2_grpc.RoomsServiceServicer):
    async def GetRoom(
        self, request: rooms_pb2.GetRoomRequest, context: Any
    ) -> rooms_pb2.GetRoomResponse:
        return rooms_pb2.GetRoomResponse(room=ROOM)

    async def CreateRoom(
        self, request: rooms_pb2.CreateRoomRequest, context: Any
    ) -> rooms_pb2.CreateRoomResponse:
        return rooms_pb2.CreateRoomResponse(room=ROOM)


class _Participants(participants_service_pb2_grpc.ParticipantsServiceServicer):
    async def UpsertParticipants(
        self, request: participants_pb2.UpsertParticipantsRequest, context: Any
    ) -> participants_pb2.UpsertParticipantsResponse:
        return participants_pb2.UpsertParticipantsResponse()


async def _add(server: grpc.aio.Server, upstream: str) -> None:  # noqa: ARG001 - this arm has no upstream
    rooms_service_pb2_grpc.add_RoomsServiceServicer_to_server(
        _Rooms(),  # type: ignore[abstract] # only the measured RPCs
        server,
    )
    participants_service_pb2_grpc.add_ParticipantsServiceServicer_to_server(
        _Participants(),  # type: ignore[abstract] # only the measured RPCs
        server,
    )


if __name__ == "__main__":
    main(_add)
