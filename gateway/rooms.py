"""RoomsService: message in, one REST operation, message out."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

from acs.rooms.v1 import rooms_pb2 as pb
from acs.rooms.v1 import rooms_pb2_grpc

from gateway.call import Context, current_call
from gateway.convert import page_tokens
from gateway.convert.rooms import create_to_rest, room_from_rest, update_to_rest
from gateway.rest import RoomsApi

_LIST = "ListRooms"


class RoomsServicer(rooms_pb2_grpc.RoomsServiceServicer):
    """The handlers of RoomsService. Their errors become a status in the interceptor."""

    def __init__(self, api: RoomsApi) -> None:
        self._api = api

    async def CreateRoom(
        self, request: pb.CreateRoomRequest, context: Context
    ) -> pb.CreateRoomResponse:
        """REST: Rooms_Create."""
        room = await self._api.create_room(
            create_to_rest(request), request.request_id or str(uuid.uuid4()), current_call.get()
        )
        return pb.CreateRoomResponse(room=room_from_rest(room))

    async def GetRoom(self, request: pb.GetRoomRequest, context: Context) -> pb.GetRoomResponse:
        """REST: Rooms_Get."""
        room = await self._api.get_room(request.room_id, current_call.get())
        return pb.GetRoomResponse(room=room_from_rest(room))

    async def UpdateRoom(
        self, request: pb.UpdateRoomRequest, context: Context
    ) -> pb.UpdateRoomResponse:
        """REST: Rooms_Update."""
        room = await self._api.update_room(
            request.room_id, update_to_rest(request), current_call.get()
        )
        return pb.UpdateRoomResponse(room=room_from_rest(room))

    async def DeleteRoom(
        self, request: pb.DeleteRoomRequest, context: Context
    ) -> pb.DeleteRoomResponse:
        """REST: Rooms_Delete."""
        await self._api.delete_room(request.room_id, current_call.get())
        return pb.DeleteRoomResponse()

    async def ListRooms(
        self, request: pb.ListRoomsRequest, context: Context
    ) -> AsyncIterator[pb.ListRoomsResponse]:
        """REST: Rooms_List, one message a page."""
        start = page_tokens.decode(request.page_token, _LIST)
        pages = self._api.list_rooms(start, request.max_pages, current_call.get())
        async with aclosing(pages):
            async for page in pages:
                yield pb.ListRoomsResponse(
                    rooms=map(room_from_rest, page.items),
                    next_page_token=page_tokens.encode(page.next_query, _LIST),
                )
