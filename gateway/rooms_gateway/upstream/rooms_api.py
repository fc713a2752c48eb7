"""The operations of the Rooms REST API as methods. Knows paths, bodies and api-versions."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email.utils import formatdate
from typing import TypeVar

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.links import safe_next_query
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
from rooms_gateway.upstream.paging import PageWithNext, iterate_pages
from rooms_gateway.upstream.transport.retry import http_date
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import ApiVersion

__all__ = ["CreatedRoom", "DryRunError", "PageWithNext", "RoomsApi"]

T = TypeVar("T")

_room = msgspec.json.Decoder(Room)
_rooms_page = msgspec.json.Decoder(RoomsPage)
_participants_page = msgspec.json.Decoder(ParticipantsPage)


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """The answer to a create."""

    room: Room
    age_limit: float
    """The time of the service, in seconds since the epoch, before which this create had not begun:
    a room that is older was made by an earlier one."""


class RoomsApi:
    """The Rooms REST API in one api-version, on one endpoint.

    Every method raises what `Transport.send` raises, UpstreamRejectedError when the service answers with
    an error, InvalidUpstreamResponseError when its answer is not what it should be, and
    UnsupportedApiVersionError when the api-version does not know what is asked.
    """

    def __init__(self, transport: Sender, endpoint: Endpoint, version: ApiVersion) -> None:
        self._exchange = Operation(transport, version.name)
        self._endpoint = endpoint
        self._version = version

    @property
    def api_version(self) -> str:
        """The name of the api-version in use."""
        return self._version.name

    def check_roster(self, roster: Roster) -> None:
        """Raise UnsupportedApiVersionError if the api-version does not know a role in `roster`."""
        self._version.check_roster(roster)

    async def create_room(self, body: CreateRoom, repeatability_id: str, call: Call) -> CreatedRoom:
        """Make a room, once for one `repeatability_id`, a UUID. REST: Rooms_Create."""
        self._version.check_room(body)
        self._version.check_roster(body.participants)
        # Set once for the call, so that all its attempts are the same request to the service.
        headers = JSON | {
            "Repeatability-Request-ID": repeatability_id,
            "Repeatability-First-Sent": formatdate(usegmt=True),
        }
        started = time.monotonic()
        answer = await self._exchange.send("POST", "/rooms", call, encode(body), headers)
        # By the service's clock, which is told in whole seconds: theirs and ours may differ.
        answered_at = http_date(answer.headers.get("Date", ""))
        elapsed = time.monotonic() - started
        age_limit = -math.inf if answered_at is None else answered_at - elapsed
        return CreatedRoom(decode(_room, answer), age_limit)

    async def get_room(self, room_id: str, call: Call) -> Room:
        """Read a room. REST: Rooms_Get."""
        return decode(_room, await self._exchange.send("GET", room_path(room_id), call))

    async def update_room(self, room_id: str, body: UpdateRoom, call: Call) -> Room:
        """Change what `body` sets. REST: Rooms_Update."""
        self._version.check_room(body)
        path = room_path(room_id)
        return decode(
            _room, await self._exchange.send("PATCH", path, call, encode(body), MERGE_PATCH)
        )

    async def delete_room(self, room_id: str, call: Call) -> None:
        """Delete a room. REST: Rooms_Delete."""
        await self._exchange.send("DELETE", room_path(room_id), call, gone_is_done=True)

    def list_rooms(
        self, start: str | None, limit: int, call: Call
    ) -> AsyncGenerator[PageWithNext[Room], None]:
        """Read all rooms, page by page, from the query `start` on. REST: Rooms_List."""
        return self._pages("/rooms", _rooms_page, start, limit, call)

    async def update_participants(self, room_id: str, roster: Roster, call: Call) -> None:
        """Add or change the people in `roster`, remove those that are None in it.

        REST: Participants_Update.
        """
        self._version.check_roster(roster)
        path = participants_path(room_id)
        body = encode(UpdateParticipants(roster))
        await self._exchange.send("PATCH", path, call, body, MERGE_PATCH)

    def list_participants(
        self, room_id: str, start: str | None, limit: int, call: Call
    ) -> AsyncGenerator[PageWithNext[Participant], None]:
        """Read the roster, page by page, from the query `start` on. REST: Participants_List."""
        return self._pages(participants_path(room_id), _participants_page, start, limit, call)

    def _pages(
        self,
        path: str,
        decoder: msgspec.json.Decoder[Page[T]],
        start: str | None,
        limit: int,
        call: Call,
    ) -> AsyncGenerator[PageWithNext[T], None]:
        async def fetch(query: str | None) -> PageWithNext[T]:
            page = decode(decoder, await self._exchange.send("GET", path, call, query=query))
            link = page.next_link
            # An empty link ends a list as a missing one does; real links are never empty.
            return PageWithNext(
                page.value, safe_next_query(link, self._endpoint, path) if link else None
            )

        return iterate_pages(fetch, start, limit)
