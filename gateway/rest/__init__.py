"""The operations of the Rooms REST API as methods. Knows paths, bodies and api-versions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from email.utils import formatdate
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import msgspec

from gateway.call import Call
from gateway.endpoint import Endpoint
from gateway.errors import (
    ApiVersionUnsupported,
    ServiceAnswerUnreadable,
    ServiceDetail,
    ServiceRefused,
)
from gateway.links import next_query
from gateway.models import (
    CreateRoom,
    ErrorBody,
    ErrorEnvelope,
    Page,
    Participant,
    ParticipantsPage,
    Room,
    RoomsPage,
    Roster,
    UpdateParticipants,
    UpdateRoom,
)
from gateway.rest.pages import QueriedPage, follow
from gateway.rest.versions import ApiVersion
from gateway.transport import RestAnswer, RestRequest, Transport
from gateway.transport.retry import retry_after

__all__ = ["QueriedPage", "RoomsApi"]

T = TypeVar("T")

_JSON = {"Content-Type": "application/json"}
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

_encode = msgspec.json.Encoder().encode
_room = msgspec.json.Decoder(Room)
_rooms_page = msgspec.json.Decoder(RoomsPage)
_participants_page = msgspec.json.Decoder(ParticipantsPage)
_error = msgspec.json.Decoder(ErrorEnvelope)


class RoomsApi:
    """The Rooms REST API in one api-version, on one endpoint.

    Every method raises what `Transport.send` raises, ServiceRefused when the service answers with
    an error, ServiceAnswerUnreadable when its answer is not what it should be, and
    ApiVersionUnsupported when the api-version does not know what is asked.
    """

    def __init__(self, transport: Transport, endpoint: Endpoint, version: ApiVersion) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._version = version
        self._query = f"api-version={version.name}"

    @property
    def api_version(self) -> str:
        """The name of the api-version in use."""
        return self._version.name

    async def create_room(self, body: CreateRoom, repeatability_id: str, call: Call) -> Room:
        """Make a room, once for one `repeatability_id`, a UUID. REST: Rooms_Create."""
        self._version.check_room(body)
        self._version.check_roster(body.participants)
        # Set once for the call, so that all its attempts are the same request to the service.
        headers = _JSON | {
            "Repeatability-Request-ID": repeatability_id,
            "Repeatability-First-Sent": formatdate(usegmt=True),
        }
        answer = await self._send("POST", "/rooms", call, _encode(body), headers)
        return _decode(_room, answer)

    async def get_room(self, room_id: str, call: Call) -> Room:
        """Read a room. REST: Rooms_Get."""
        return _decode(_room, await self._send("GET", _room_path(room_id), call))

    async def update_room(self, room_id: str, body: UpdateRoom, call: Call) -> Room:
        """Change what `body` sets. REST: Rooms_Update."""
        self._version.check_room(body)
        path = _room_path(room_id)
        return _decode(_room, await self._send("PATCH", path, call, _encode(body), _MERGE_PATCH))

    async def delete_room(self, room_id: str, call: Call) -> None:
        """Delete a room. REST: Rooms_Delete."""
        await self._send("DELETE", _room_path(room_id), call, gone_is_done=True)

    def list_rooms(
        self, start: str | None, limit: int, call: Call
    ) -> AsyncGenerator[QueriedPage[Room], None]:
        """Read all rooms, page by page, from the query `start` on. REST: Rooms_List."""
        return self._pages("/rooms", _rooms_page, start, limit, call)

    async def update_participants(self, room_id: str, roster: Roster, call: Call) -> None:
        """Add or change the people in `roster`, remove those that are None in it.

        REST: Participants_Update.
        """
        self._version.check_roster(roster)
        path = _participants_path(room_id)
        body = _encode(UpdateParticipants(roster))
        await self._send("PATCH", path, call, body, _MERGE_PATCH)

    def list_participants(
        self, room_id: str, start: str | None, limit: int, call: Call
    ) -> AsyncGenerator[QueriedPage[Participant], None]:
        """Read the roster, page by page, from the query `start` on. REST: Participants_List."""
        return self._pages(_participants_path(room_id), _participants_page, start, limit, call)

    def _pages(
        self,
        path: str,
        decoder: msgspec.json.Decoder[Page[T]],
        start: str | None,
        limit: int,
        call: Call,
    ) -> AsyncGenerator[QueriedPage[T], None]:
        async def fetch(query: str | None) -> QueriedPage[T]:
            page = _decode(decoder, await self._send("GET", path, call, query=query))
            link = page.next_link
            # An empty link ends a list as a missing one does; real links are never empty.
            return QueriedPage(page.value, next_query(link, self._endpoint, path) if link else None)

        return follow(fetch, start, limit)

    async def _send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        call: Call,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        query: str | None = None,
        gone_is_done: bool = False,
    ) -> RestAnswer:
        """Send and return the answer if it is a success; raise ServiceRefused if not.

        `query` replaces ours: a continuation has the api-version in it already. `gone_is_done`:
        404 is a success when an earlier attempt of ours may have been the one that deleted.
        """
        request = RestRequest(method, f"{path}?{query or self._query}", body, headers or {})
        answer = await self._transport.send(request, call)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        gone = answer.status == HTTPStatus.NOT_FOUND
        if gone_is_done and gone and answer.after_ambiguous_attempt:
            return answer
        raise _refusal(answer, self.api_version)


def _room_path(room_id: str) -> str:
    return f"/rooms/{quote(room_id, safe='')}"


def _participants_path(room_id: str) -> str:
    return f"{_room_path(room_id)}/participants"


def _decode(decoder: msgspec.json.Decoder[T], answer: RestAnswer) -> T:
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceAnswerUnreadable(
            f"the service's answer (HTTP status {answer.status}) is not the JSON it should be"
        ) from error


def _refusal(answer: RestAnswer, api_version: str) -> ServiceRefused | ApiVersionUnsupported:
    """Read an error answer; one without the usual body still has its status and headers."""
    try:
        error = _error.decode(answer.body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = ErrorBody()
    if error.code == "UnsupportedApiVersion":
        return ApiVersionUnsupported(
            f"the service does not support the REST api-version {api_version} that the gateway is "
            "configured with"
        )
    return ServiceRefused(
        answer.status,
        code=error.code,
        message=error.message,
        details=tuple(
            ServiceDetail(detail.target or "", detail.message) for detail in error.details or ()
        ),
        retry_after=retry_after(answer.headers, time.time()),
    )
