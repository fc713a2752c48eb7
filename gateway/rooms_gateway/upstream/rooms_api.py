"""Operations of the Rooms REST API as methods."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.errors import InvalidUpstreamResponseError, UpstreamRejectedError
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.models import (
    CreateRoom,
    Page,
    Participant,
    ParticipantsPage,
    Room,
    RoomsPage,
    Roster,
    UpdateParticipants,
    UpdateRoom,
)
from rooms_gateway.upstream.operation import (
    JSON,
    MERGE_PATCH,
    DryRunError,
    Operation,
    decode,
    encode,
    participants_path,
    room_path,
)
from rooms_gateway.upstream.paging import PageWithNext, iterate_pages, safe_next_query
from rooms_gateway.upstream.transport.messages import OperationFamily
from rooms_gateway.upstream.transport.retry import http_date
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import ApiVersion

__all__ = ["CreatedRoom", "DryRunError", "PageWithNext", "RoomsApi"]

T = TypeVar("T")

_room = msgspec.json.Decoder(Room)
_rooms_page = msgspec.json.Decoder(RoomsPage)
_participants_page = msgspec.json.Decoder(ParticipantsPage)
_confirmation = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """Response to a create."""

    room: Room
    age_limit: float
    """Start of the create by the upstream's clock, in seconds since the epoch.

    A room that is older was created by an earlier request."""


class RoomsApi:
    """The Rooms REST API in one api-version, on one endpoint.

    Every method raises UpstreamRejectedError for an error response, InvalidUpstreamResponseError
    for a malformed one, UnsupportedApiVersionError if the api-version lacks the operation or a
    value, and what `Sender.send` raises.
    """

    def __init__(self, sender: Sender, endpoint: Endpoint, version: ApiVersion) -> None:
        self._operation = Operation(sender, version.name)
        self._endpoint = endpoint
        self._version = version
        self.resource = endpoint.authority
        """Identity of the resource: its host, whatever this or another replica names it."""

    @property
    def api_version(self) -> str:
        """Name of the api-version in use."""
        return self._version.name

    def check_roster(self, roster: Roster) -> None:
        """Raise UnsupportedApiVersionError if `roster` has a role that the api-version lacks."""
        self._version.check_roster(roster)

    def check_dial_out(self) -> None:
        """Raise UnsupportedApiVersionError if the api-version lacks `pstnDialOutEnabled`."""
        self._version.check_dial_out()

    async def create_room(self, body: CreateRoom, repeatability_id: str, call: Call) -> CreatedRoom:
        """Create a room; idempotent by `repeatability_id`, a UUID. REST: Rooms_Create."""
        self._version.check_room(body)
        self._version.check_roster(body.participants)
        # Set once per call: the upstream recognizes a repeated request by both headers.
        headers = JSON | {
            "Repeatability-Request-ID": repeatability_id,
            "Repeatability-First-Sent": formatdate(usegmt=True),
        }
        started = time.monotonic()
        response = await self._operation.call(
            "POST", "/rooms", call, encode(body), headers, family=OperationFamily.ROOM_WRITES
        )
        # From the Date header, because the room's age is by the upstream's clock too.
        date = http_date(response.headers.get("Date", ""))
        elapsed = time.monotonic() - started
        age_limit = -math.inf if date is None else date - elapsed
        return CreatedRoom(decode(_room, response), age_limit)

    async def get_room(self, room_id: str, call: Call) -> Room:
        """Read a room. REST: Rooms_Get."""
        return decode(_room, await self._operation.call("GET", room_path(room_id), call))

    async def update_room(self, room_id: str, body: UpdateRoom, call: Call) -> Room:
        """Change the members that `body` sets. REST: Rooms_Update."""
        self._version.check_room(body)
        response = await self._operation.call(
            "PATCH",
            room_path(room_id),
            call,
            encode(body),
            MERGE_PATCH,
            family=OperationFamily.ROOM_WRITES,
        )
        return decode(_room, response)

    async def delete_room(self, room_id: str, call: Call, *, allow_missing: bool = False) -> None:
        """Delete a room. `allow_missing`: succeed if there is no such room. REST: Rooms_Delete."""
        try:
            response = await self._operation.call(
                "DELETE", room_path(room_id), call, family=OperationFamily.ROOM_WRITES
            )
        except UpstreamRejectedError as error:
            # An earlier attempt of the call may have deleted the room.
            may_be_missing = allow_missing or error.after_ambiguous_attempt
            if error.status == HTTPStatus.NOT_FOUND and may_be_missing:
                return
            raise
        if response.status != HTTPStatus.NO_CONTENT:
            raise InvalidUpstreamResponseError(
                f"the Rooms service confirms a delete with HTTP status 204, not {response.status}"
            )

    def list_rooms(
        self, start: str | None, limit: int, call: Call, *, read_ahead: bool = True
    ) -> AsyncGenerator[PageWithNext[Room], None]:
        """Yield pages of all rooms, from the query `start` on. REST: Rooms_List."""
        return self._pages("/rooms", _rooms_page, start, limit, call, read_ahead=read_ahead)

    async def update_participants(self, room_id: str, roster: Roster, call: Call) -> None:
        """Upsert the participants in `roster`; None removes one. REST: Participants_Update."""
        self._version.check_roster(roster)
        path = participants_path(room_id)
        body = encode(UpdateParticipants(roster))
        response = await self._operation.call(
            "PATCH", path, call, body, MERGE_PATCH, family=OperationFamily.ROSTER_WRITES
        )
        # The body is `{}`. A page of a proxy with the status 200 is no confirmation.
        decode(_confirmation, response)

    def list_participants(
        self, room_id: str, start: str | None, limit: int, call: Call
    ) -> AsyncGenerator[PageWithNext[Participant], None]:
        """Yield pages of a roster, from the query `start` on. REST: Participants_List."""
        return self._pages(participants_path(room_id), _participants_page, start, limit, call)

    def _pages(
        self,
        path: str,
        decoder: msgspec.json.Decoder[Page[T]],
        start: str | None,
        limit: int,
        call: Call,
        *,
        read_ahead: bool = True,
    ) -> AsyncGenerator[PageWithNext[T], None]:
        async def fetch(query: str | None) -> PageWithNext[T]:
            page = decode(decoder, await self._operation.call("GET", path, call, query=query))
            link = page.next_link
            # An empty link ends the list, like a missing one.
            return PageWithNext(
                page.value, safe_next_query(link, self._endpoint, path) if link else None
            )

        return iterate_pages(fetch, start, limit, read_ahead=read_ahead)
