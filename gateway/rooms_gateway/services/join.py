"""JoinService: each handler admits users to a room, or explains why one cannot join."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1.access_tokens_pb2 import TokenOptions

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.services.convert.guests import Guest, planned_roster, read_guests
from rooms_gateway.services.convert.participants import roles_of
from rooms_gateway.services.convert.rooms import create_to_rest, fill_room
from rooms_gateway.services.convert.roster_changes import roles_by_raw_id
from rooms_gateway.services.guests import GuestAdmission
from rooms_gateway.services.join_explanation import explain_join
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.roster import read_roster
from rooms_gateway.upstream.rooms_api import RoomsApi


class JoinServicer:
    """The handlers of `acs.rooms.v1.JoinService`."""

    def __init__(
        self, api: RoomsApi, admission: GuestAdmission, defaults: RoomDefaults | None = None
    ) -> None:
        """Without `defaults`, those of the Rooms service apply."""
        self._api = api
        self._admission = admission
        self._defaults = defaults

    async def AdmitParticipants(
        self, request: pb.AdmitParticipantsRequest, call: Call
    ) -> pb.AdmitParticipantsResponse:
        """REST: Rooms_Get, Participants_List; then as `GuestAdmission.admit`."""
        guests = read_guests(request.guests)
        if call.dry_run:
            self._admission.check(guests, {})
            if self._defaults is not None and any(guest.role is None for guest in guests):
                self._defaults.record_role(call)
            planned = planned_roster(guests, self._admission.default_role)
            await self._api.update_participants(request.room_id, planned, call)
        room, participants = await gather_or_cancel(
            self._api.get_room(request.room_id, call),
            read_roster(self._api, request.room_id, call),
        )
        roster = roles_by_raw_id(participants)
        self._admission.check(guests, roster)
        response = pb.AdmitParticipantsResponse()
        fill_room(response.room, room)
        await self._admit(response, roster, guests, request.token_options, call)
        return response

    async def CreateRoomWithGuests(
        self, request: pb.CreateRoomWithGuestsRequest, call: Call
    ) -> pb.CreateRoomWithGuestsResponse:
        """REST: Rooms_Create; then as `GuestAdmission.admit`."""
        guests, body = read_guests(request.guests), create_to_rest(request)
        if self._defaults is not None:
            body = self._defaults.complete_create(body, call)
        roster = roles_of(body.participants)
        self._admission.check(guests, roster)
        call.idempotent = True
        request_id = request.request_id or str(uuid.uuid4())
        created = await self._api.create_room(body, request_id, call)
        if request.request_id:
            # The room may be that of an earlier call, with another roster by now.
            participants = await read_roster(self._api, created.room.id, call)
            roster = roles_by_raw_id(participants)
        response = pb.CreateRoomWithGuestsResponse()
        fill_room(response.room, created.room)
        await self._admit(response, roster, guests, request.token_options, call)
        return response

    async def _admit(
        self,
        response: pb.AdmitParticipantsResponse | pb.CreateRoomWithGuestsResponse,
        roster: Mapping[str, str],
        guests: Sequence[Guest],
        token_options: TokenOptions,
        call: Call,
    ) -> None:
        """Admit guests to the room of `response`, and fill in their results."""
        room = response.room
        response.results.extend(
            await self._admission.admit(room, roster, guests, token_options, call)
        )
        opens = room.valid_from.ToNanoseconds()
        response.tokens_expire_before_open = any(
            each.access_token.expires_at.ToNanoseconds() < opens
            for each in response.results
            if each.HasField("access_token")
        )

    async def ExplainJoin(
        self, request: pb.ExplainJoinRequest, call: Call
    ) -> pb.ExplainJoinResponse:
        """REST: Rooms_Get, Participants_List."""
        return await explain_join(self._api, request, call)
