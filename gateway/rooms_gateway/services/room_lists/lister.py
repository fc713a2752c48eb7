"""Lists of rooms with a filter or rosters, in messages that are not pages of the Rooms service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from http import HTTPStatus

from acs.rooms.v1 import rooms_pb2 as pb
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest

from rooms_gateway.aio import map_concurrently
from rooms_gateway.call import Call
from rooms_gateway.errors import (
    GatewayError,
    InvalidUpstreamResponseError,
    RosterTooLargeError,
    UpstreamRejectedError,
)
from rooms_gateway.services.convert.error_targets import FieldLocator, ItemErrors
from rooms_gateway.services.convert.participants import add_participants
from rooms_gateway.services.convert.rooms import add_matching_rooms
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.room_lists.conditions import RoomConditions
from rooms_gateway.services.room_lists.positions import Position
from rooms_gateway.services.roster import MAX_ROSTER_BYTES, check_size, read_roster
from rooms_gateway.upstream.rooms_api import RoomsApi

MAX_EMPTY_PAGES = 10
"""Pages in a row without a room to send, after which their token is sent."""

ROOMS_PER_MESSAGE = 16
"""Maximum rooms of a message with rosters: half a page of the Rooms service."""

CONCURRENT_ROSTERS = 8
"""Rosters of one list that are read at once. The pacer delays them like other requests."""

_OF_EVERY_ROOM = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses with which the Rooms service would respond to the next roster too."""


class RoomLister:
    """Lists rooms that a filter selects, with their rosters if the request includes them."""

    def __init__(self, api: RoomsApi, converter: FairConverter, to_item_error: ItemErrors) -> None:
        self._api = api
        self._converter = converter
        self._to_item_error = to_item_error

    async def list(
        self, request: pb.ListRoomsRequest, call: Call
    ) -> AsyncGenerator[pb.ListRoomsResponse, None]:
        """Yield the messages of a list, the last one without a token.

        Raises InvalidRequestError, UnsupportedApiVersionError, InvalidPageTokenError, and those
        errors of `RoomsApi` that concern more than the roster of one room.
        """
        conditions = RoomConditions(request.filter)
        if request.filter.HasField("pstn_dial_out_enabled"):
            self._api.check_dial_out()
        scope: tuple[str, ...] = (self._api.resource, "ListRooms", conditions.scope)
        if request.include_participants:
            scope += ("rosters",)
        position = Position(request.page_token, *scope)
        count = empty_pages = 0
        # Read ahead only where the next page is needed in any case.
        may_end_early = request.max_pages or request.filter.HasField("created_after")
        read_ahead = not (may_end_early or request.include_participants)
        pages = self._api.list_rooms(position.query, 0, call, read_ahead=read_ahead)
        async with aclosing(pages):
            async for page in pages:
                next_query = None if conditions.end_after(page.items) else page.next_query
                found = pb.ListRoomsResponse()
                add = partial(add_matching_rooms, found.rooms, conditions.match)
                await self._converter.convert(page.items, add)
                position.drop_sent(found.rooms)
                left = len(found.rooms)
                empty_pages = 0 if left else empty_pages + 1
                if next_query is None or empty_pages % MAX_EMPTY_PAGES == 0:
                    async with aclosing(self._messages(found, request, call)) as messages:
                        async for message in messages:
                            left -= len(message.rooms)
                            message.next_page_token = (
                                position.after_room(message.rooms[-1])
                                if left
                                else position.after_page(next_query)
                            )
                            yield message
                            count += 1
                            if count == request.max_pages:
                                return
                if next_query is None:
                    return
                position.query = next_query

    async def _messages(
        self, page: pb.ListRoomsResponse, request: pb.ListRoomsRequest, call: Call
    ) -> AsyncGenerator[pb.ListRoomsResponse, None]:
        """Yield `page`, or messages with its rooms and their rosters."""
        if not request.include_participants or not page.rooms:
            yield page
            return
        for start in range(0, len(page.rooms), ROOMS_PER_MESSAGE):
            some = page.rooms[start : start + ROOMS_PER_MESSAGE]
            message = pb.ListRoomsResponse()
            size = 0
            for room, roster in zip(some, await self._rosters(some, call), strict=True):
                size += roster.ByteSize()
                if size > MAX_ROSTER_BYTES and message.rooms:
                    yield message
                    message = pb.ListRoomsResponse()
                    size = roster.ByteSize()
                message.rooms.append(room)
                message.rosters.append(roster)
            yield message

    async def _rosters(self, rooms: Sequence[pb.Room], call: Call) -> Sequence[pb.Roster]:
        try:
            return await map_concurrently(
                lambda room: self._roster(room.id, call), rooms, CONCURRENT_ROSTERS
            )
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _roster(self, room_id: str, call: Call) -> pb.Roster:
        roster = pb.Roster()
        try:
            participants = await read_roster(self._api, room_id, call)
            add = partial(add_participants, roster.participants)
            await self._converter.convert(participants, add)
            check_size(roster.ByteSize())
        except GatewayError as error:
            if not _concerns_one_room(error):
                raise
            locator = FieldLocator(ListParticipantsRequest(room_id=room_id))
            return pb.Roster(error=self._to_item_error(error, locator))
        return roster


def _concerns_one_room(error: GatewayError) -> bool:
    if isinstance(error, UpstreamRejectedError):
        return error.status not in _OF_EVERY_ROOM
    return isinstance(error, RosterTooLargeError | InvalidUpstreamResponseError)
