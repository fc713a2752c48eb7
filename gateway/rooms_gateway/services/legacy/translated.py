"""The preview's operations in terms of what stable api-versions have.

Where it takes a read, a check and a PATCH, somebody else's change in between is not seen.
"""

from __future__ import annotations

from rooms_gateway.call import Call
from rooms_gateway.errors import UnsupportedJoinPolicyError, Violation
from rooms_gateway.services.convert.rooms import DEFAULT_ROLE
from rooms_gateway.services.legacy.backend import refuse_absent, refuse_present
from rooms_gateway.services.roster import both, read_roster
from rooms_gateway.upstream.legacy_models import (
    COMMUNICATION_SERVICE_USERS,
    INVITE_ONLY,
    RoomBody,
    RosteredRoom,
)
from rooms_gateway.upstream.models import (
    CreateRoom,
    Participant,
    ParticipantProperties,
    Roster,
    UpdateRoom,
)
from rooms_gateway.upstream.rooms_api import RoomsApi


class TranslatedLegacyRooms:
    """LegacyRooms over RoomsApi."""

    def __init__(self, api: RoomsApi) -> None:
        self._api = api

    async def create_room(self, body: RoomBody, repeatability_id: str, call: Call) -> RosteredRoom:
        """REST: Rooms_Create."""
        self._check_policy(body)
        roster = body.roster or {}
        created = await self._api.create_room(
            CreateRoom(body.valid_from, body.valid_until, participants=roster),
            repeatability_id,
            call,
        )
        return RosteredRoom(created.room, INVITE_ONLY, _people(_replacing({}, roster)))

    async def get_room(self, room_id: str, call: Call) -> RosteredRoom:
        """REST: Rooms_Get and Participants_List, at the same time."""
        room, people = await both(
            self._api.get_room(room_id, call), self.get_participants(room_id, call)
        )
        return RosteredRoom(room, INVITE_ONLY, people)

    async def update_room(self, room_id: str, body: RoomBody, call: Call) -> RosteredRoom:
        """REST: Rooms_Update or Rooms_Get, Participants_List, Participants_Update.

        Only what is needed: the first if something of the room is set, the last if a roster is
        given that differs.
        """
        self._check_policy(body)
        if body.roster is not None:
            self._api.check_roster(body.roster)
        if body.valid_from is None and body.valid_until is None:
            now = await self.get_room(room_id, call)
        else:
            change = UpdateRoom(body.valid_from, body.valid_until)
            room = await self._api.update_room(room_id, change, call)
            people = await self.get_participants(room_id, call)
            now = RosteredRoom(room, INVITE_ONLY, people)
        if body.roster is None:
            return now
        old = {each.raw_id: each.role for each in now.participants}
        new = _replacing(old, body.roster)
        difference = _difference(old, new)
        if difference:
            await self._api.update_participants(room_id, difference, call)
        return RosteredRoom(now.room, INVITE_ONLY, _people(new))

    async def delete_room(self, room_id: str, call: Call) -> None:
        """REST: Rooms_Delete."""
        await self._api.delete_room(room_id, call)

    async def add_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: Participants_List, then Participants_Update."""
        self._api.check_roster(people)
        refuse_present(people, await self._present(room_id, call))
        await self._api.update_participants(room_id, people, call)

    async def update_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: Participants_List, then Participants_Update."""
        self._api.check_roster(people)
        refuse_absent(people, await self._present(room_id, call))
        await self._api.update_participants(room_id, people, call)

    async def remove_participants(self, room_id: str, people: Roster, call: Call) -> None:
        """REST: Participants_Update, with null for each."""
        await self._api.update_participants(room_id, people, call)

    async def get_participants(self, room_id: str, call: Call) -> list[Participant]:
        """REST: Participants_List, every page of it."""
        return await read_roster(self._api, room_id, call)

    async def _present(self, room_id: str, call: Call) -> set[str]:
        return {each.raw_id for each in await self.get_participants(room_id, call)}

    def _check_policy(self, body: RoomBody) -> None:
        if body.join_policy == COMMUNICATION_SERVICE_USERS:
            raise UnsupportedJoinPolicyError(
                f"REST api-version {self._api.api_version} knows no other join policy than "
                "invitation: put everybody who may join on the roster",
                Violation("room_join_policy", "must be ROOM_JOIN_POLICY_INVITE_ONLY or unset"),
            )


def _replacing(old: dict[str, str], roster: Roster) -> dict[str, str]:
    """Return what `roster` makes of `old`, in the service's order: who stays keeps the place.

    Both are raw id to role; the service's default role is filled in.
    """
    new = {raw_id: (person and person.role) or DEFAULT_ROLE for raw_id, person in roster.items()}
    stay = {raw_id: new[raw_id] for raw_id in old if raw_id in new}
    return stay | new


def _difference(old: dict[str, str], new: dict[str, str]) -> Roster:
    gone: Roster = {raw_id: None for raw_id in old if raw_id not in new}
    changed: Roster = {
        raw_id: ParticipantProperties(role)
        for raw_id, role in new.items()
        if old.get(raw_id) != role
    }
    return gone | changed


def _people(roster: dict[str, str]) -> list[Participant]:
    return [Participant(raw_id, role) for raw_id, role in roster.items()]
