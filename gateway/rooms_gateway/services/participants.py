"""ParticipantsService: each handler translates a message into one REST operation and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from acs.rooms.v1 import participants_pb2 as pb

from rooms_gateway.call import Call
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.services.convert.participants import add_participants, roster_of
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.upstream.rooms_api import RoomsApi

_LIST = "ListParticipants"


class ParticipantsServicer:
    """The handlers of `acs.rooms.v1.ParticipantsService`."""

    def __init__(self, api: RoomsApi, converter: FairConverter) -> None:
        self._api = api
        self._converter = converter

    async def UpsertParticipants(
        self, request: pb.UpsertParticipantsRequest, call: Call
    ) -> pb.UpsertParticipantsResponse:
        """REST: Participants_Update."""
        roster = roster_of(request.participants)
        await self._api.update_participants(request.room_id, roster, call)
        return pb.UpsertParticipantsResponse()

    async def RemoveParticipants(
        self, request: pb.RemoveParticipantsRequest, call: Call
    ) -> pb.RemoveParticipantsResponse:
        """REST: Participants_Update, with null for each participant."""
        roster = roster_of((), request.remove_raw_ids, request.remove_identifiers)
        await self._api.update_participants(request.room_id, roster, call)
        return pb.RemoveParticipantsResponse()

    async def UpdateParticipants(
        self, request: pb.UpdateParticipantsRequest, call: Call
    ) -> pb.UpdateParticipantsResponse:
        """REST: Participants_Update, upserts and removals in one PATCH."""
        roster = roster_of(request.participants, request.remove_raw_ids, request.remove_identifiers)
        await self._api.update_participants(request.room_id, roster, call)
        return pb.UpdateParticipantsResponse()

    async def ListParticipants(
        self, request: pb.ListParticipantsRequest, call: Call
    ) -> AsyncIterator[pb.ListParticipantsResponse]:
        """REST: Participants_List, one message per page."""
        scope = (self._api.resource, _LIST, request.room_id)
        start = page_tokens.decode(request.page_token, *scope)
        pages = self._api.list_participants(request.room_id, start, request.max_pages, call)
        async with aclosing(pages):
            async for page in pages:
                token = page_tokens.encode(page.next_query, *scope)
                response = pb.ListParticipantsResponse(next_page_token=token)
                add = partial(add_participants, response.participants)
                await self._converter.convert(page.items, add)
                yield response
