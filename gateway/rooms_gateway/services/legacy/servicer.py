"""LegacyRoomsService: each handler translates a preview operation into stable REST operations."""

from __future__ import annotations

import uuid

from acs.rooms.legacy.v1 import legacy_rooms_pb2 as pb

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.services.convert.legacy import (
    check_join_policy,
    create_to_rest,
    new_roster,
    room_from_rest,
    update_to_rest,
)
from rooms_gateway.services.convert.participants import participant_from_rest, roster_of
from rooms_gateway.services.convert.rooms import first_roster
from rooms_gateway.services.legacy.roster_rules import (
    check_absent,
    check_present,
    replace_roster,
)
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.roster import check_size, read_roster
from rooms_gateway.upstream.models import Participant, Room, Roster
from rooms_gateway.upstream.rooms_api import RoomsApi


class LegacyRoomsServicer:
    """The handlers of `acs.rooms.legacy.v1.LegacyRoomsService`.

    Operations that read a roster before they change it are not atomic: a change by another caller
    between the two requests goes unnoticed.
    """

    def __init__(self, api: RoomsApi, defaults: RoomDefaults | None = None) -> None:
        """Without `defaults`, those of the Rooms service apply."""
        self._api = api
        self._defaults = defaults

    async def CreateRoom(self, request: pb.CreateRoomRequest, call: Call) -> pb.CreateRoomResponse:
        """REST: Rooms_Create."""
        body = create_to_rest(request)
        if self._defaults is not None:
            body = self._defaults.complete_create(body, call)
        check_join_policy(request.room_join_policy, self._api.api_version)
        request_id = request.request_id or str(uuid.uuid4())
        created = await self._api.create_room(body, request_id, call)
        return pb.CreateRoomResponse(room=_room(created.room, first_roster(body)))

    async def GetRoom(self, request: pb.GetRoomRequest, call: Call) -> pb.GetRoomResponse:
        """REST: Rooms_Get and Participants_List, concurrently."""
        room, roster = await self._read_room(request.room_id, call)
        return pb.GetRoomResponse(room=_room(room, roster))

    async def UpdateRoom(self, request: pb.UpdateRoomRequest, call: Call) -> pb.UpdateRoomResponse:
        """REST: Rooms_Update or Rooms_Get, Participants_List, Participants_Update.

        Rooms_Update is sent if the request sets a time, Participants_Update if its roster differs.
        """
        body, roster = update_to_rest(request), new_roster(request)
        check_join_policy(request.room_join_policy, self._api.api_version)
        if self._defaults is not None:
            self._defaults.check_update(body)
        if roster is not None:
            roster = self._complete(roster, call)
            self._api.check_roster(roster)
        if body.valid_from is None and body.valid_until is None:
            room, current = await self._read_room(request.room_id, call)
        else:
            room = await self._api.update_room(request.room_id, body, call)
            current = await read_roster(self._api, request.room_id, call)
        if roster is not None:
            current, changes = replace_roster(current, roster)
            if changes:
                await self._api.update_participants(request.room_id, changes, call)
        return pb.UpdateRoomResponse(room=_room(room, current))

    async def DeleteRoom(self, request: pb.DeleteRoomRequest, call: Call) -> pb.DeleteRoomResponse:
        """REST: Rooms_Delete."""
        await self._api.delete_room(request.room_id, call)
        return pb.DeleteRoomResponse()

    async def AddParticipants(
        self, request: pb.AddParticipantsRequest, call: Call
    ) -> pb.AddParticipantsResponse:
        """REST: Participants_List, then Participants_Update."""
        roster = self._complete(roster_of(request.participants), call)
        self._api.check_roster(roster)
        check_absent(roster, await read_roster(self._api, request.room_id, call))
        await self._api.update_participants(request.room_id, roster, call)
        return pb.AddParticipantsResponse()

    async def UpdateParticipants(
        self, request: pb.UpdateParticipantsRequest, call: Call
    ) -> pb.UpdateParticipantsResponse:
        """REST: Participants_List, then Participants_Update."""
        roster = self._complete(roster_of(request.participants), call)
        self._api.check_roster(roster)
        check_present(roster, await read_roster(self._api, request.room_id, call))
        await self._api.update_participants(request.room_id, roster, call)
        return pb.UpdateParticipantsResponse()

    async def RemoveParticipants(
        self, request: pb.RemoveParticipantsRequest, call: Call
    ) -> pb.RemoveParticipantsResponse:
        """REST: Participants_Update, with null for each participant."""
        roster = roster_of((), request.remove_raw_ids, request.remove_identifiers)
        await self._api.update_participants(request.room_id, roster, call)
        return pb.RemoveParticipantsResponse()

    async def GetParticipants(
        self, request: pb.GetParticipantsRequest, call: Call
    ) -> pb.GetParticipantsResponse:
        """REST: Participants_List, all pages."""
        roster = await read_roster(self._api, request.room_id, call)
        response = pb.GetParticipantsResponse(participants=map(participant_from_rest, roster))
        check_size(response.ByteSize())
        return response

    def _complete(self, roster: Roster, call: Call) -> Roster:
        return roster if self._defaults is None else self._defaults.complete_roster(roster, call)

    async def _read_room(self, room_id: str, call: Call) -> tuple[Room, list[Participant]]:
        return await gather_or_cancel(
            self._api.get_room(room_id, call), read_roster(self._api, room_id, call)
        )


def _room(room: Room, roster: list[Participant]) -> pb.Room:
    message = room_from_rest(room, roster)
    check_size(message.ByteSize())
    return message
