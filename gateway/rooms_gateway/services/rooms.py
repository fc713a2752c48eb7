"""RoomsService: each handler translates a message into a REST operation and its response back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from acs.rooms.v1 import bulk_rooms_pb2 as bulk_pb
from acs.rooms.v1 import rooms_pb2 as pb

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.services.bulk import BulkJobs, Items
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.services.convert.error_targets import ItemErrors
from rooms_gateway.services.convert.participants import participant_from_rest
from rooms_gateway.services.convert.rooms import (
    add_rooms,
    changed_end,
    create_to_rest,
    fill_room,
    first_roster,
    is_one_sided,
    update_to_rest,
    with_other_end,
)
from rooms_gateway.services.convert.roster_changes import fingerprint, roles_by_raw_id
from rooms_gateway.services.create_replays import ReplayDetector
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.room_lists.lister import RoomLister
from rooms_gateway.services.roster import check_size, read_roster
from rooms_gateway.upstream.rooms_api import RoomsApi

_LIST = "ListRooms"


class RoomsServicer:
    """The handlers of `acs.rooms.v1.RoomsService`."""

    def __init__(
        self,
        api: RoomsApi,
        converter: FairConverter,
        to_item_error: ItemErrors,
        *,
        complete_windows: bool = True,
        defaults: RoomDefaults | None = None,
    ) -> None:
        """`complete_windows`: when UpdateRoom sets one end of the window, read and send both.

        Without `defaults`, those of the Rooms service apply.
        """
        self._api = api
        self._converter = converter
        self._bulk = BulkJobs(to_item_error)
        self._complete_windows = complete_windows
        self._defaults = defaults
        self._replays = ReplayDetector()
        self._lister = RoomLister(api, converter, to_item_error)

    async def CreateRoom(self, request: pb.CreateRoomRequest, call: Call) -> pb.CreateRoomResponse:
        """REST: Rooms_Create."""
        body = create_to_rest(request, call.roster)
        if self._defaults is not None:
            body = self._defaults.complete_create(body, call)
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
        scope = (self._api.resource, request.room_id)
        response.roster_fingerprint = fingerprint(roles_by_raw_id(roster), *scope)
        check_size(response.ByteSize())
        return response

    async def UpdateRoom(self, request: pb.UpdateRoomRequest, call: Call) -> pb.UpdateRoomResponse:
        """REST: Rooms_Update; Rooms_Get before it if only one end of the window is set."""
        body = update_to_rest(request)
        if self._complete_windows and is_one_sided(body) and not call.dry_run:
            body = with_other_end(body, await self._api.get_room(request.room_id, call))
        if self._defaults is not None:
            self._defaults.check_update(body, changed_end(request))
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
        """REST: Rooms_List, one message per page, except with a filter or rosters."""
        if request.include_participants or request.filter.ListFields():
            async with aclosing(self._lister.list(request, call)) as responses:
                async for response in responses:
                    yield response
            return
        scope = (self._api.resource, _LIST)
        start = page_tokens.decode(request.page_token, *scope)
        pages = self._api.list_rooms(start, request.max_pages, call)
        async with aclosing(pages):
            async for page in pages:
                token = page_tokens.encode(page.next_query, *scope)
                response = pb.ListRoomsResponse(next_page_token=token)
                await self._converter.convert(page.items, partial(add_rooms, response.rooms))
                yield response

    def BulkCreateRooms(
        self, requests: Items[bulk_pb.BulkCreateRoomsRequest], call: Call
    ) -> AsyncIterator[bulk_pb.BulkCreateRoomsResponse]:
        """REST: Rooms_Create for each item."""
        return self._bulk.create(requests, call, self.CreateRoom)

    def BulkDeleteRooms(
        self, requests: Items[bulk_pb.BulkDeleteRoomsRequest], call: Call
    ) -> AsyncIterator[bulk_pb.BulkDeleteRoomsResponse]:
        """REST: Rooms_Delete for each item."""
        return self._bulk.delete(requests, call, self.DeleteRoom)
