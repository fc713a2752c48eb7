"""ParticipantsService: each handler translates a message into REST operations and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from acs.rooms.v1 import participants_pb2 as pb

from rooms_gateway.call import Call
from rooms_gateway.errors import RosterChangedError, TooManyRemovalsError
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.services.convert.dry_run import describe
from rooms_gateway.services.convert.participants import add_participants, roles_of, roster_of
from rooms_gateway.services.convert.roster_changes import (
    RosterChanges,
    compare,
    fingerprint,
    roles_by_raw_id,
)
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.roster import read_roster
from rooms_gateway.upstream.rooms_api import DryRunError, RoomsApi

_LIST = "ListParticipants"


class ParticipantsServicer:
    """The handlers of `acs.rooms.v1.ParticipantsService`."""

    def __init__(
        self, api: RoomsApi, converter: FairConverter, *, defaults: RoomDefaults | None = None
    ) -> None:
        """Without `defaults`, those of the Rooms service apply."""
        self._api = api
        self._converter = converter
        self._defaults = defaults

    async def UpsertParticipants(
        self, request: pb.UpsertParticipantsRequest, call: Call
    ) -> pb.UpsertParticipantsResponse:
        """REST: Participants_Update."""
        roster = roster_of(request.participants, read=call.roster)
        if self._defaults is not None:
            roster = self._defaults.complete_roster(roster, call)
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
        roster = roster_of(
            request.participants,
            request.remove_raw_ids,
            request.remove_identifiers,
            read=call.roster,
        )
        if self._defaults is not None:
            roster = self._defaults.complete_roster(roster, call)
        await self._api.update_participants(request.room_id, roster, call)
        return pb.UpdateParticipantsResponse()

    async def SyncParticipants(
        self, request: pb.SyncParticipantsRequest, call: Call
    ) -> pb.SyncParticipantsResponse:
        """REST: Participants_List, then Participants_Update with the differences, if any."""
        room_id, roster = request.room_id, roster_of(request.participants, read=call.roster)
        if self._defaults is not None:
            roster = self._defaults.complete_roster(roster, call)
        wanted = roles_of(roster)
        # A dry run reads the roster too: its changes are what it is for.
        is_dry_run, call.dry_run = call.dry_run, False
        try:
            present = roles_by_raw_id(await read_roster(self._api, room_id, call))
        finally:
            call.dry_run = is_dry_run
        changes = compare(present, wanted)
        scope = (self._api.resource, room_id)
        _check_sync(request, fingerprint(present, *scope), changes)
        response = pb.SyncParticipantsResponse(
            unchanged_count=changes.unchanged_count,
            fingerprint=fingerprint(present if is_dry_run else wanted, *scope),
        )
        hidden = is_dry_run and not request.dry_run.show_identifiers
        shown = changes.redacted() if hidden else changes
        add_participants(response.added, shown.added)
        add_participants(response.changed, shown.changed)
        add_participants(response.removed, shown.removed)
        if differences := changes.to_rest():
            try:
                await self._api.update_participants(room_id, differences, call)
            except DryRunError as stopped:
                shown_request = describe(stopped.request, request.dry_run, call.applied_settings)
                response.rest_request.CopyFrom(shown_request)
        return response

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


def _check_sync(
    request: pb.SyncParticipantsRequest, current_fingerprint: str, changes: RosterChanges
) -> None:
    """Raise RosterChangedError or TooManyRemovalsError if the request does not permit the sync."""
    if request.expected_fingerprint not in ("", current_fingerprint):
        raise RosterChangedError(
            "the roster is not the one that expected_fingerprint names: read it again, and decide"
            " whether to sync it"
        )
    removals = len(changes.removed)
    if request.HasField("max_removals") and removals > request.max_removals:
        raise TooManyRemovalsError(
            f"the sync would remove {removals} participants, and max_removals is"
            f" {request.max_removals}: check whether the list is complete"
        )
