"""JoinService: each handler admits users to a room, or explains why one cannot join."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1 import rooms_pb2

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.services.convert.guests import planned_roster, read_guests, roles_by_raw_id
from rooms_gateway.services.convert.rooms import create_to_rest, fill_room
from rooms_gateway.services.guests import GuestAdmission
from rooms_gateway.services.join_explanation import explain_join
from rooms_gateway.services.roster import read_roster
from rooms_gateway.upstream.rooms_api import RoomsApi


class JoinServicer:
    """The handlers of `acs.rooms.v1.JoinService`."""

    def __init__(self, api: RoomsApi, admission: GuestAdmission) -> None:
        self._api = api
        self._admission = admission

    async def AdmitParticipants(
        self, request: pb.AdmitParticipantsRequest, call: Call
    ) -> pb.AdmitParticipantsResponse:
        """REST: Rooms_Get, Participants_List; then as `GuestAdmission.admit`."""
        guests = read_guests(request.guests)
        if call.dry_run:
            self._admission.check(guests, {})
            await self._api.update_participants(request.room_id, planned_roster(guests), call)
        room, participants = await gather_or_cancel(
            self._api.get_room(request.room_id, call),
            read_roster(self._api, request.room_id, call),
        )
        roster = {each.raw_id: each.role for each in participants}
        self._admission.check(guests, roster)
        response = pb.AdmitParticipantsResponse()
        fill_room(response.room, room)
        admitted = await self._admission.admit(
            response.room, roster, guests, request.token_options, call
        )
        response.results.extend(admitted)
        response.tokens_expire_before_open = _expire_before_open(admitted, response.room)
        return response

    async def CreateRoomWithGuests(
        self, request: pb.CreateRoomWithGuestsRequest, call: Call
    ) -> pb.CreateRoomWithGuestsResponse:
        """REST: Rooms_Create; then as `GuestAdmission.admit`."""
        guests, body = read_guests(request.guests), create_to_rest(request)
        roster = roles_by_raw_id(body.participants)
        self._admission.check(guests, roster)
        call.idempotent = True
        request_id = request.request_id or str(uuid.uuid4())
        created = await self._api.create_room(body, request_id, call)
        if request.request_id:
            # The room may be that of an earlier call, with another roster by now.
            participants = await read_roster(self._api, created.room.id, call)
            roster = {each.raw_id: each.role for each in participants}
        response = pb.CreateRoomWithGuestsResponse()
        fill_room(response.room, created.room)
        admitted = await self._admission.admit(
            response.room, roster, guests, request.token_options, call
        )
        response.results.extend(admitted)
        response.tokens_expire_before_open = _expire_before_open(admitted, response.room)
        return response

    async def ExplainJoin(
        self, request: pb.ExplainJoinRequest, call: Call
    ) -> pb.ExplainJoinResponse:
        """REST: Rooms_Get, Participants_List."""
        return await explain_join(self._api, request, call)


def _expire_before_open(guests: Sequence[pb.AdmittedGuest], room: rooms_pb2.Room) -> bool:
    opens = room.valid_from.ToNanoseconds()
    return any(
        each.access_token.expires_at.ToNanoseconds() < opens
        for each in guests
        if each.HasField("access_token")
    )
