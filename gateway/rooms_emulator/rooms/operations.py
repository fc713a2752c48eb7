"""The operations of the Rooms REST API: a call in, an answer out, no HTTP in between."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from rooms_emulator import problems
from rooms_emulator.clock import Clock
from rooms_emulator.http import bodies
from rooms_emulator.http.bodies import JsonObject
from rooms_emulator.rooms import identifiers, models, paging, windows
from rooms_emulator.rooms.models import Collection, Nothing
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.store import Room, Store
from rooms_emulator.rooms.versions import ApiVersion

_ROOMS = "rooms"


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is authentic, routed, and of a version that we speak.

    Attributes:
        version: the api-version.
        url: the absolute address that was called, without query.
        room_id: the id in the path, decoded; empty where the path has none.
        query: the parameters, decoded.
        headers: the headers, with names in any case.
        body: the JSON of the body; empty where the operation takes none.

    """

    version: ApiVersion
    url: str
    room_id: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: the body is written as JSON, ``None`` is no body at all."""

    status: int
    body: Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Operations:
    """Every operation, on one store.

    The methods raise ``ServiceError`` for what the service refuses, and ``NoSuchRoomError`` or
    ``RosterFullError`` as the store does.
    """

    def __init__(self, store: Store, creates: RememberedCreates, clock: Clock) -> None:
        self._store = store
        self._creates = creates
        self._clock = clock

    def create_room(self, call: Call) -> Answer:
        """Rooms_Create."""
        room = self._once(call, self._create)
        return created(room, models.of_room(room, call.version))

    def _once(self, call: Call, create: Callable[[JsonObject], Room]) -> Room:
        request_id = call.headers.get("Repeatability-Request-ID")
        # Before the body is looked at: what was a valid window then may be over now.
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
        if not all(map(identifiers.is_communication_user, roster)):
            raise problems.bad_request(problems.BAD_IDENTIFIER)
        return self._store.create(window, roster, pstn_dial_out_enabled=bool(pstn))

    def list_rooms(self, call: Call) -> Answer:
        """Rooms_List."""
        token = call.query.get("nextLink")
        before = None if token is None else paging.decode(_ROOMS, token)
        page = self._store.rooms_page(before)
        rooms = [models.of_room(room, call.version) for room in page.items]
        return Answer(HTTPStatus.OK, Collection(rooms, _next_link(call, _ROOMS, page.next)))

    def get_room(self, call: Call) -> Answer:
        """Rooms_Get."""
        identifiers.check_room_id(call.room_id)
        return Answer(HTTPStatus.OK, models.of_room(self._store.get(call.room_id), call.version))

    def update_room(self, call: Call) -> Answer:
        """Rooms_Update."""
        start = bodies.instant(call.body, "validFrom")
        end = bodies.instant(call.body, "validUntil")
        pstn = bodies.flag(call.body, "pstnDialOutEnabled")
        window = windows.of_update(start, end, self._clock.now())
        identifiers.check_room_id(call.room_id)
        room = self._store.update(call.room_id, window, pstn_dial_out_enabled=pstn)
        return Answer(HTTPStatus.OK, models.of_room(room, call.version))

    def delete_room(self, call: Call) -> Answer:
        """Rooms_Delete."""
        identifiers.check_room_id(call.room_id)
        self._store.delete(call.room_id)
        return Answer(HTTPStatus.NO_CONTENT)

    def list_participants(self, call: Call) -> Answer:
        """Participants_List."""
        identifiers.check_room_id(call.room_id)
        token = call.query.get("nextLink")
        start = 0 if token is None else paging.decode(call.room_id, token)
        page = self._store.participants_page(call.room_id, start)
        people = [models.of_participant(participant) for participant in page.items]
        return Answer(HTTPStatus.OK, Collection(people, _next_link(call, call.room_id, page.next)))

    def update_participants(self, call: Call) -> Answer:
        """Participants_Update."""
        changes = bodies.roster_changes(call.body)
        identifiers.check_room_id(call.room_id)
        for raw_id in changes:
            if not identifiers.is_communication_user(raw_id):
                raise problems.bad_request(problems.UNSUPPORTED_IDENTIFIER.format(raw_id))
        self._store.change_roster(call.room_id, changes)
        return Answer(HTTPStatus.OK, Nothing())


def created(room: Room, body: Struct) -> Answer:
    """Make the answer to a create."""
    headers = {"Location": room.id, "Repeatability-Result": "accepted"}
    return Answer(HTTPStatus.CREATED, body, headers)


def _next_link(call: Call, collection: str, position: int | None) -> str | UnsetType:
    if position is None:
        return UNSET
    token = paging.encode(collection, position)
    return f"{call.url}?nextLink={token}&api-version={call.version.name}"
