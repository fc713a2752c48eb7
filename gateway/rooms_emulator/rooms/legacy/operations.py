"""The operations of the preview api-version 2022-02-01, on the same rooms as current versions.

The wire format is that of the clients of 2022 and of recordings of them. No recording shows the
errors for participants that are present already, or absent, and the order of a replaced roster.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from rooms_emulator import problems
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.http.messages import Response
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.problems import ErrorBody, ServiceError
from rooms_emulator.rooms import bodies, windows
from rooms_emulator.rooms.legacy import bodies as legacy_bodies
from rooms_emulator.rooms.legacy import models
from rooms_emulator.rooms.operations import Call, Operations, created
from rooms_emulator.rooms.records import Room
from rooms_emulator.rooms.room_ids import check_room_id
from rooms_emulator.rooms.store import NoSuchRoomError

POLICY_AFTER_START = "Room join policy cannot be updated after room start time has elapsed"
BAD_IDENTIFIER = "Identifier format is invalid."
ALREADY_PRESENT = "One or more participants are in the room already."
NOT_PRESENT = "One or more participants are not in the room."


class LegacyOperations(Operations):
    """All operations, of current versions and of the preview, with the errors of `Operations`."""

    def create_legacy_room(self, call: Call) -> Response:
        """Rooms_CreateRoom."""
        room = self._create_once(call, self._create_legacy)
        return created(room, self._model(room))

    def _create_legacy(self, body: JsonObject) -> Room:
        start, end = bodies.instant(body, "validFrom"), bodies.instant(body, "validUntil")
        policy = legacy_bodies.join_policy(body)
        roster = legacy_bodies.roster(body) or {}
        window = windows.of_new_room(start, end, self._clock.now())
        _check_roster_of_room(roster)
        return self._store.create(window, roster, join_policy=policy)

    def get_legacy_room(self, call: Call) -> Response:
        """Rooms_GetRoom."""
        check_room_id(call.room_id)
        return Response(HTTPStatus.OK, self._model(self._store.get(call.room_id)))

    def update_legacy_room(self, call: Call) -> Response:
        """Rooms_UpdateRoom."""
        start = bodies.instant(call.body, "validFrom")
        end = bodies.instant(call.body, "validUntil")
        policy = legacy_bodies.join_policy(call.body)
        roster = legacy_bodies.roster(call.body)
        now = self._clock.now()
        window = windows.of_update(start, end, now)
        check_room_id(call.room_id)
        old = self._store.get(call.room_id)
        if policy not in {None, old.join_policy} and old.valid_from <= now:
            raise problems.bad_request(POLICY_AFTER_START)
        if roster is not None:
            _check_roster_of_room(roster)
            removed = self._present(call) - roster.keys()
            self._store.change_roster(call.room_id, dict.fromkeys(removed) | roster)
        room = self._store.update(call.room_id, window, join_policy=policy)
        return Response(HTTPStatus.OK, self._model(room))

    def get_participants(self, call: Call) -> Response:
        """Rooms_GetParticipants."""
        check_room_id(call.room_id)
        return self._roster(call)

    def add_participants(self, call: Call) -> Response:
        """Rooms_AddParticipants; an error if one of them is present."""
        roles = _named_participants(call)
        if not self._present(call).isdisjoint(roles):
            raise _invalid_input(ALREADY_PRESENT)
        self._store.change_roster(call.room_id, roles)
        return self._roster(call)

    def change_participants(self, call: Call) -> Response:
        """Rooms_UpdateParticipants; an error if one of them is absent."""
        roles = _named_participants(call)
        if not roles.keys() <= self._present(call):
            raise _invalid_input(NOT_PRESENT)
        self._store.change_roster(call.room_id, roles)
        return self._roster(call)

    def remove_participants(self, call: Call) -> Response:
        """Rooms_RemoveParticipants; absent participants are ignored."""
        self._store.change_roster(call.room_id, dict.fromkeys(_named_participants(call)))
        return self._roster(call)

    def _present(self, call: Call) -> set[str]:
        return {participant.raw_id for participant in self._store.roster(call.room_id)}

    def _roster(self, call: Call) -> Response:
        return Response(HTTPStatus.OK, models.of_roster(self._store.roster(call.room_id)))

    def _model(self, room: Room) -> models.LegacyRoom:
        try:
            roster = self._store.roster(room.id)
        except NoSuchRoomError:
            # A repeated create after the room was deleted.
            roster = []
        return models.of_room(room, roster)


def _named_participants(call: Call) -> dict[str, str]:
    """Return the participants that a call names, raw id to role, after checking all ids."""
    roles = legacy_bodies.required_roster(call.body)
    check_room_id(call.room_id)
    if not all(map(is_communication_user, roles)):
        raise _invalid_input(BAD_IDENTIFIER)
    return roles


def _check_roster_of_room(raw_ids: Iterable[str]) -> None:
    if not all(map(is_communication_user, raw_ids)):
        raise problems.bad_request(problems.BAD_IDENTIFIER)


def _invalid_input(message: str) -> ServiceError:
    """Return an error of an operation on participants, which names its code in a header."""
    code = "InvalidInput"
    return ServiceError(HTTPStatus.BAD_REQUEST, ErrorBody(code, message), {"x-ms-error-code": code})
