"""The operations of the preview api-version 2022-02-01, on the same rooms as those of today.

Its wire is that of the clients of 2022 and of what was recorded of them. What no recording shows:
the errors for people who are in the room already, or not yet, and who keeps which place when a
roster is replaced.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import msgspec

from rooms_emulator import problems, timestamps
from rooms_emulator.http import bodies
from rooms_emulator.http.bodies import JsonObject
from rooms_emulator.problems import ErrorBody, ServiceError
from rooms_emulator.rooms import identifiers, legacy_bodies, windows
from rooms_emulator.rooms.operations import Answer, Call, Operations, created
from rooms_emulator.rooms.roster import Participant
from rooms_emulator.rooms.store import NoSuchRoomError, Room

POLICY_AFTER_START: Final = "Room join policy cannot be updated after room start time has elapsed"
BAD_IDENTIFIER: Final = "Identifier format is invalid."
ALREADY_THERE: Final = "One or more participants are in the room already."
NOT_THERE: Final = "One or more participants are not in the room."


class CommunicationUser(msgspec.Struct, frozen=True):
    """CommunicationUserIdentifierModel."""

    id: str


class CommunicationIdentifier(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentifierModel."""

    raw_id: str
    communication_user: CommunicationUser


class LegacyParticipant(msgspec.Struct, frozen=True, rename="camel"):
    """RoomParticipant."""

    communication_identifier: CommunicationIdentifier
    role: str


class LegacyRoom(msgspec.Struct, frozen=True, rename="camel"):
    """RoomModel."""

    id: str
    created_date_time: str
    valid_from: str
    valid_until: str
    room_join_policy: str
    participants: list[LegacyParticipant]


class LegacyRoster(msgspec.Struct, frozen=True):
    """ParticipantsCollection."""

    participants: list[LegacyParticipant]


class LegacyOperations(Operations):
    """Every operation, of today and of the preview. They raise what those of today do."""

    def create_legacy_room(self, call: Call) -> Answer:
        """Rooms_CreateRoom."""
        room = self._once(call, self._create_legacy)
        return created(room, self._show(room))

    def _create_legacy(self, body: JsonObject) -> Room:
        start, end = bodies.instant(body, "validFrom"), bodies.instant(body, "validUntil")
        policy = legacy_bodies.join_policy(body)
        roster = legacy_bodies.roster(body) or {}
        window = windows.of_new_room(start, end, self._clock.now())
        _check_identifiers_of_room(roster)
        return self._store.create(window, roster, join_policy=policy)

    def get_legacy_room(self, call: Call) -> Answer:
        """Rooms_GetRoom."""
        identifiers.check_room_id(call.room_id)
        return Answer(HTTPStatus.OK, self._show(self._store.get(call.room_id)))

    def update_legacy_room(self, call: Call) -> Answer:
        """Rooms_UpdateRoom."""
        start = bodies.instant(call.body, "validFrom")
        end = bodies.instant(call.body, "validUntil")
        policy = legacy_bodies.join_policy(call.body)
        roster = legacy_bodies.roster(call.body)
        now = self._clock.now()
        window = windows.of_update(start, end, now)
        identifiers.check_room_id(call.room_id)
        old = self._store.get(call.room_id)
        if policy not in {None, old.join_policy} and old.valid_from <= now:
            raise problems.bad_request(POLICY_AFTER_START)
        if roster is not None:
            _check_identifiers_of_room(roster)
            gone = self._present(call) - roster.keys()
            self._store.change_roster(call.room_id, dict.fromkeys(gone) | roster)
        room = self._store.update(call.room_id, window, join_policy=policy)
        return Answer(HTTPStatus.OK, self._show(room))

    def get_participants(self, call: Call) -> Answer:
        """Rooms_GetParticipants."""
        identifiers.check_room_id(call.room_id)
        return self._roster(call)

    def add(self, call: Call) -> Answer:
        """Rooms_AddParticipants: nobody may be there already."""
        people = _people(call)
        if not self._present(call).isdisjoint(people):
            raise _invalid_input(ALREADY_THERE)
        self._store.change_roster(call.room_id, people)
        return self._roster(call)

    def change(self, call: Call) -> Answer:
        """Rooms_UpdateParticipants: everybody has to be there."""
        people = _people(call)
        if not people.keys() <= self._present(call):
            raise _invalid_input(NOT_THERE)
        self._store.change_roster(call.room_id, people)
        return self._roster(call)

    def remove(self, call: Call) -> Answer:
        """Rooms_RemoveParticipants: who is not there is passed over."""
        self._store.change_roster(call.room_id, dict.fromkeys(_people(call)))
        return self._roster(call)

    def _present(self, call: Call) -> set[str]:
        return {participant.raw_id for participant in self._store.people(call.room_id)}

    def _roster(self, call: Call) -> Answer:
        return Answer(HTTPStatus.OK, LegacyRoster(_shown(self._store.people(call.room_id))))

    def _show(self, room: Room) -> LegacyRoom:
        try:
            people = self._store.people(room.id)
        except NoSuchRoomError:
            # A create that is replayed after the room was deleted.
            people = []
        return LegacyRoom(
            room.id,
            timestamps.render(room.created_at),
            timestamps.render(room.valid_from),
            timestamps.render(room.valid_until),
            room.join_policy,
            _shown(people),
        )


def _people(call: Call) -> dict[str, str]:
    """Read whom a call names, once room id and identifiers are found to be possible."""
    people = legacy_bodies.required_roster(call.body)
    identifiers.check_room_id(call.room_id)
    if not all(map(identifiers.is_communication_user, people)):
        raise _invalid_input(BAD_IDENTIFIER)
    return people


def _check_identifiers_of_room(roster: Iterable[str]) -> None:
    if not all(map(identifiers.is_communication_user, roster)):
        raise problems.bad_request(problems.BAD_IDENTIFIER)


def _invalid_input(message: str) -> ServiceError:
    """Build an error of the participants' operations: unlike the rooms', they name their code."""
    code = "InvalidInput"
    return ServiceError(HTTPStatus.BAD_REQUEST, ErrorBody(code, message), {"x-ms-error-code": code})


def _shown(people: Iterable[Participant]) -> list[LegacyParticipant]:
    return [
        LegacyParticipant(
            CommunicationIdentifier(each.raw_id, CommunicationUser(each.raw_id)), each.role
        )
        for each in people
    ]
