"""ParticipantsService: message in, one REST operation, message out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from acs.rooms.v1 import participants_pb2 as pb
from acs.rooms.v1 import participants_pb2_grpc

from rooms_gateway.call import Context, current_call
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.services.convert.participants import add_participants, roster_of
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.upstream.rooms_api import RoomsApi

_LIST = "ListParticipants"


class ParticipantsServicer(participants_pb2_grpc.ParticipantsServiceServicer):
    """The handlers of ParticipantsService. Their errors become a status in `handling`."""

    def __init__(self, api: RoomsApi, turns: FairConverter) -> None:
        self._api = api
        self._turns = turns

    async def UpsertParticipants(
        self, request: pb.UpsertParticipantsRequest, context: Context
    ) -> pb.UpsertParticipantsResponse:
        """REST: Participants_Update."""
        roster = roster_of(request.participants, "participants")
        await self._api.update_participants(request.room_id, roster, current_call.get())
        return pb.UpsertParticipantsResponse()

    async def RemoveParticipants(
        self, request: pb.RemoveParticipantsRequest, context: Context
    ) -> pb.RemoveParticipantsResponse:
        """REST: Participants_Update, with null for each."""
        roster = roster_of((), "", {"raw_ids": request.raw_ids, "identifiers": request.identifiers})
        await self._api.update_participants(request.room_id, roster, current_call.get())
        return pb.RemoveParticipantsResponse()

    async def UpdateParticipants(
        self, request: pb.UpdateParticipantsRequest, context: Context
    ) -> pb.UpdateParticipantsResponse:
        """REST: Participants_Update, both kinds in one PATCH."""
        roster = roster_of(
            request.upsert,
            "upsert",
            {"remove": request.remove, "remove_identifiers": request.remove_identifiers},
        )
        await self._api.update_participants(request.room_id, roster, current_call.get())
        return pb.UpdateParticipantsResponse()

    async def ListParticipants(
        self, request: pb.ListParticipantsRequest, context: Context
    ) -> AsyncIterator[pb.ListParticipantsResponse]:
        """REST: Participants_List, one message a page."""
        scope = (_LIST, request.room_id)
        start = page_tokens.decode(request.page_token, *scope)
        pages = self._api.list_participants(
            request.room_id, start, request.max_pages, current_call.get()
        )
        async with aclosing(pages):
            async for page in pages:
                token = page_tokens.encode(page.next_query, *scope)
                response = pb.ListParticipantsResponse(next_page_token=token)
                add = partial(add_participants, response.participants)
                await self._turns.convert(page.items, add)
                yield response
