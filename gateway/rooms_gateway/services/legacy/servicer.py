"""LegacyRoomsService: message in, the preview's operation, message out.

LegacyRooms                 what the servicer needs (`backend`)
├── NativeLegacyRooms       as it is, over REST api-version 2022-02-01 (`native`)
└── TranslatedLegacyRooms   in terms of what stable api-versions have (`translated`)
"""

from __future__ import annotations

import uuid

from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb
from acs.rooms.legacy.v1 import legacy_rooms_pb2_grpc

from rooms_gateway.call import Context, current_call
from rooms_gateway.services.convert.legacy import create_to_rest, room_from_rest, update_to_rest
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.services.legacy.backend import LegacyRooms
from rooms_gateway.services.roster import check_size
from rooms_gateway.upstream.legacy_models import RosteredRoom

__all__ = ["LegacyRoomsServicer"]


class LegacyRoomsServicer(legacy_rooms_pb2_grpc.LegacyRoomsServiceServicer):
    """The handlers of LegacyRoomsService. Their errors become a status in `handling`."""

    def __init__(self, backend: LegacyRooms) -> None:
        self._backend = backend

    async def CreateRoom(
        self, request: pb.CreateRoomRequest, context: Context
    ) -> pb.CreateRoomResponse:
        """REST: Rooms_CreateRoom of 2022-02-01, or its translation; so for all that follow."""
        request_id = request.request_id or str(uuid.uuid4())
        body = create_to_rest(request)
        room = await self._backend.create_room(body, request_id, current_call.get())
        return pb.CreateRoomResponse(room=_room(room))

    async def GetRoom(self, request: pb.GetRoomRequest, context: Context) -> pb.GetRoomResponse:
        """REST: Rooms_GetRoom."""
        room = await self._backend.get_room(request.room_id, current_call.get())
        return pb.GetRoomResponse(room=_room(room))

    async def UpdateRoom(
        self, request: pb.UpdateRoomRequest, context: Context
    ) -> pb.UpdateRoomResponse:
        """REST: Rooms_UpdateRoom."""
        body = update_to_rest(request)
        room = await self._backend.update_room(request.room_id, body, current_call.get())
        return pb.UpdateRoomResponse(room=_room(room))

    async def DeleteRoom(
        self, request: pb.DeleteRoomRequest, context: Context
    ) -> pb.DeleteRoomResponse:
        """REST: Rooms_DeleteRoom."""
        await self._backend.delete_room(request.room_id, current_call.get())
        return pb.DeleteRoomResponse()

    async def AddParticipants(
        self, request: pb.AddParticipantsRequest, context: Context
    ) -> pb.AddParticipantsResponse:
        """REST: Rooms_AddParticipants."""
        roster = roster_of(request.participants, "participants")
        await self._backend.add_participants(request.room_id, roster, current_call.get())
        return pb.AddParticipantsResponse()

    async def UpdateParticipants(
        self, request: pb.UpdateParticipantsRequest, context: Context
    ) -> pb.UpdateParticipantsResponse:
        """REST: Rooms_UpdateParticipants."""
        roster = roster_of(request.participants, "participants")
        await self._backend.update_participants(request.room_id, roster, current_call.get())
        return pb.UpdateParticipantsResponse()

    async def RemoveParticipants(
        self, request: pb.RemoveParticipantsRequest, context: Context
    ) -> pb.RemoveParticipantsResponse:
        """REST: Rooms_RemoveParticipants."""
        roster = roster_of((), "", {"raw_ids": request.raw_ids, "identifiers": request.identifiers})
        await self._backend.remove_participants(request.room_id, roster, current_call.get())
        return pb.RemoveParticipantsResponse()

    async def GetParticipants(
        self, request: pb.GetParticipantsRequest, context: Context
    ) -> pb.GetParticipantsResponse:
        """REST: Rooms_GetParticipants."""
        people = await self._backend.get_participants(request.room_id, current_call.get())
        response = pb.GetParticipantsResponse(participants=map(participant_from_rest, people))
        check_size(response.ByteSize())
        return response


def _room(found: RosteredRoom) -> pb.Room:
    room = room_from_rest(found)
    check_size(room.ByteSize())
    return room
