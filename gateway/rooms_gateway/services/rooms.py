"""RoomsService: each handler translates a message into a REST operation and its response back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from acs.rooms.v1 import rooms_pb2 as pb

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.services.convert.participants import participant_from_rest
from rooms_gateway.services.convert.rooms import (
    add_rooms,
    create_to_rest,
    fill_room,
    first_roster,
    is_one_sided,
    update_to_rest,
    with_other_end,
)
from rooms_gateway.services.create_replays import ReplayDetector
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.roster import check_size, read_roster
from rooms_gateway.upstream.rooms_api import RoomsApi

_LIST = "ListRooms"


class RoomsServicer:
    """The handlers of `acs.rooms.v1.RoomsService`."""

    def __init__(
        self, api: RoomsApi, converter: FairConverter, *, complete_windows: bool = True
    ) -> None:
        """`complete_windows`: when UpdateRoom sets one end of the window, read and send both."""
        self._api = api
        self._converter = converter
        self._complete_windows = complete_windows
        self._replays = ReplayDetector()

    async def CreateRoom(self, request: pb.CreateRoomRequest, call: Call) -> pb.CreateRoomResponse:
        """REST: Rooms_Create."""
        body = create_to_rest(request)
        request_id = request.request_id or str(uuid.uuid4())
        created = await self._api.create_room(body, request_id, call)
        response = pb.CreateRoomResponse()
        fill_room(response.room, created.room)
        response.replayed = self._replays.is_replay(request_id, response.room, created.age_limit)
        if request.include_participants:
            response.participants.extend(map(participant_from_rest, first_roster(body)))
        return response

    async def GetRoom(self, request: pb.GetRoomRequest, call: Call) -> pb.GetRoomResponse:
        """REST: Rooms_Get; with `include_participants`, Participants_List concurrently."""
        response = pb.GetRoomResponse()
        if not request.include_participants:
            fill_room(response.room, await self._api.get_room(request.room_id, call))
            return response
        room, roster = await gather_or_cancel(
            self._api.get_room(request.room_id, call),
            read_roster(self._api, request.room_id, call),
        )
        fill_room(response.room, room)
        response.participants.extend(map(participant_from_rest, roster))
        check_size(response.ByteSize())
        return response

    async def UpdateRoom(self, request: pb.UpdateRoomRequest, call: Call) -> pb.UpdateRoomResponse:
        """REST: Rooms_Update; Rooms_Get before it if only one end of the window is set."""
        body = update_to_rest(request)
        if self._complete_windows and is_one_sided(body) and not call.dry_run:
            body = with_other_end(body, await self._api.get_room(request.room_id, call))
        room = await self._api.update_room(request.room_id, body, call)
        response = pb.UpdateRoomResponse()
        fill_room(response.room, room)
        return response

    async def DeleteRoom(self, request: pb.DeleteRoomRequest, call: Call) -> pb.DeleteRoomResponse:
        """REST: Rooms_Delete."""
        await self._api.delete_room(request.room_id, call, allow_missing=request.allow_missing)
        return pb.DeleteRoomResponse()

    async def ListRooms(
        self, request: pb.ListRoomsRequest, call: Call
    ) -> AsyncIterator[pb.ListRoomsResponse]:
        """REST: Rooms_List, one message per page."""
        scope = (self._api.resource, _LIST)
        start = page_tokens.decode(request.page_token, *scope)
        pages = self._api.list_rooms(start, request.max_pages, call)
        async with aclosing(pages):
            async for page in pages:
                token = page_tokens.encode(page.next_query, *scope)
                response = pb.ListRoomsResponse(next_page_token=token)
                await self._converter.convert(page.items, partial(add_rooms, response.rooms))
                yield response
