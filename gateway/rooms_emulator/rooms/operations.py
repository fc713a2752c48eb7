"""The operations of the Rooms REST API: from a call to a response, without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from rooms_emulator import problems
from rooms_emulator.clock import Clock
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.http.messages import Response
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.rooms import bodies, models, paging, windows
from rooms_emulator.rooms.models import Collection
from rooms_emulator.rooms.records import Room
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.room_ids import check_room_id
from rooms_emulator.rooms.store import Store
from rooms_emulator.rooms.versions import ApiVersion

_ROOMS = "rooms"


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated and routed request of a supported api-version."""

    version: ApiVersion
    url: str
    """Absolute address of the request, without the query."""
    room_id: str
    """Decoded id in the path; empty if the path has none."""
    query: Mapping[str, str]
    """Decoded query parameters."""
    headers: Mapping[str, str]
    """Headers of the request. Lookups ignore case."""
    body: JsonObject
    """Parsed body; empty if the operation has none."""


class Operations:
    """All operations, on one store.

    The methods raise ServiceError for requests that the service rejects, and the store's
    NoSuchRoomError and RosterFullError.
    """

    def __init__(self, store: Store, creates: RememberedCreates, clock: Clock) -> None:
        self._store = store
        self._creates = creates
        self._clock = clock

    def create_room(self, call: Call) -> Response:
        """Rooms_Create."""
        room = self._create_once(call, self._create)
        return created(room, models.of_room(room, call.version))

    def _create_once(self, call: Call, create: Callable[[JsonObject], Room]) -> Room:
        request_id = call.headers.get("Repeatability-Request-ID")
        # Before the body is validated: a window that was valid at first may be in the past now.
        room = None if request_id is None else self._creates.recall(request_id)
        if room is None:
            room = create(call.body)
            if request_id is not None:
                self._creates.remember(request_id, room)
        return room

    def _create(self, body: JsonObject) -> Room:
        start, end = bodies.instant(body, "validFrom"), bodies.instant(body, "validUntil")
        pstn = bodies.flag(body, "pstnDialOutEnabled")
        roster = bodies.first_roster(body)
        window = windows.of_new_room(start, end, self._clock.now())
        if not all(map(is_communication_user, roster)):
            raise problems.bad_request(problems.BAD_IDENTIFIER)
        return self._store.create(window, roster, pstn_dial_out_enabled=bool(pstn))

    def list_rooms(self, call: Call) -> Response:
        """Rooms_List."""
        token = call.query.get("nextLink")
        before = None if token is None else paging.decode(_ROOMS, token)
        page = self._store.rooms_page(before)
        rooms = [models.of_room(room, call.version) for room in page.items]
        return Response(HTTPStatus.OK, Collection(rooms, _next_link(call, _ROOMS, page.next)))

    def get_room(self, call: Call) -> Response:
        """Rooms_Get."""
        check_room_id(call.room_id)
        return Response(HTTPStatus.OK, models.of_room(self._store.get(call.room_id), call.version))

    def update_room(self, call: Call) -> Response:
        """Rooms_Update."""
        start = bodies.instant(call.body, "validFrom")
        end = bodies.instant(call.body, "validUntil")
        pstn = bodies.flag(call.body, "pstnDialOutEnabled")
        window = windows.of_update(start, end, self._clock.now())
        check_room_id(call.room_id)
        room = self._store.update(call.room_id, window, pstn_dial_out_enabled=pstn)
        return Response(HTTPStatus.OK, models.of_room(room, call.version))

    def delete_room(self, call: Call) -> Response:
        """Rooms_Delete."""
        check_room_id(call.room_id)
        self._store.delete(call.room_id)
        return Response(HTTPStatus.NO_CONTENT)

    def list_participants(self, call: Call) -> Response:
        """Participants_List."""
        check_room_id(call.room_id)
        token = call.query.get("nextLink")
        start = 0 if token is None else paging.decode(call.room_id, token)
        page = self._store.participants_page(call.room_id, start)
        participants = [models.of_participant(each) for each in page.items]
        next_link = _next_link(call, call.room_id, page.next)
        return Response(HTTPStatus.OK, Collection(participants, next_link))

    def update_participants(self, call: Call) -> Response:
        """Participants_Update."""
        changes = bodies.roster_changes(call.body)
        check_room_id(call.room_id)
        for raw_id in changes:
            if not is_communication_user(raw_id):
                raise problems.bad_request(problems.UNSUPPORTED_IDENTIFIER.format(raw_id))
        self._store.change_roster(call.room_id, changes)
        return Response(HTTPStatus.OK, models.Empty())


def created(room: Room, body: Struct) -> Response:
    """Return the response to a create."""
    headers = {"Location": room.id, "Repeatability-Result": "accepted"}
    return Response(HTTPStatus.CREATED, body, headers)


def _next_link(call: Call, collection: str, position: int | None) -> str | UnsetType:
    if position is None:
        return UNSET
    token = paging.encode(collection, position)
    return f"{call.url}?nextLink={token}&api-version={call.version.name}"
