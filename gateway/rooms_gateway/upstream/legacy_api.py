"""The operations of the preview api-version 2022-02-01 as methods."""

from __future__ import annotations

from email.utils import formatdate
from typing import Literal

import msgspec

from rooms_gateway.call import Call
from rooms_gateway.upstream.legacy_models import (
    INVITE_ONLY,
    LegacyRoom,
    LegacyRoomRequest,
    LegacyRoster,
    RoomBody,
    RosteredRoom,
    participants_of,
    roster_from,
)
from rooms_gateway.upstream.models import Participant, Room, Roster
from rooms_gateway.upstream.operation import (
    JSON,
    Operation,
    decode,
    encode,
    participants_path,
    room_path,
)
from rooms_gateway.upstream.transport.sender import RestResponse, Sender
from rooms_gateway.upstream.versions import LEGACY

_room = msgspec.json.Decoder(LegacyRoom)
_roster = msgspec.json.Decoder(LegacyRoster)


class LegacyApi:
    """The Rooms REST API in api-version 2022-02-01. Its methods raise what those of RoomsApi do."""

    def __init__(self, sender: Sender) -> None:
        self._exchange = Operation(sender, LEGACY.name)

    async def create_room(self, body: RoomBody, repeatability_id: str, call: Call) -> RosteredRoom:
        """Make a room, once for one `repeatability_id`, a UUID. REST: Rooms_CreateRoom."""
        headers = JSON | {
            "Repeatability-Request-ID": repeatability_id,
            "Repeatability-First-Sent": formatdate(usegmt=True),
        }
        content = _content(body)
        return _read(await self._exchange.call("POST", "/rooms", call, content, headers))

    async def get_room(self, room_id: str, call: Call) -> RosteredRoom:
        """Read a room with its roster. REST: Rooms_GetRoom."""
        return _read(await self._exchange.call("GET", room_path(room_id), call))

    async def update_room(self, room_id: str, body: RoomBody, call: Call) -> RosteredRoom:
        """Change what `body` sets; a roster replaces the old one. REST: Rooms_UpdateRoom."""
        path = room_path(room_id)
        return _read(await self._exchange.call("PATCH", path, call, _content(body), JSON))

    async def delete_room(self, room_id: str, call: Call) -> None:
        """Delete a room. REST: Rooms_DeleteRoom."""
        await self._exchange.call("DELETE", room_path(room_id), call, gone_is_done=True)

    async def change_participants(
        self, verb: Literal["add", "update", "remove"], room_id: str, roster: Roster, call: Call
    ) -> None:
        """Add, change or remove the people in `roster`.

        REST: Rooms_AddParticipants, Rooms_UpdateParticipants, Rooms_RemoveParticipants.
        """
        LEGACY.check_roster(roster)
        content = encode(LegacyRoster(participants_of(roster)))
        path = f"{participants_path(room_id)}:{verb}"
        await self._exchange.call("POST", path, call, content, JSON)

    async def get_participants(self, room_id: str, call: Call) -> list[Participant]:
        """Read the whole roster. REST: Rooms_GetParticipants."""
        answer = await self._exchange.call("GET", participants_path(room_id), call)
        return roster_from(decode(_roster, answer).participants)


def _content(body: RoomBody) -> bytes:
    if body.roster is not None:
        LEGACY.check_roster(body.roster)
    return encode(
        LegacyRoomRequest(
            body.valid_from,
            body.valid_until,
            body.join_policy,
            None if body.roster is None else participants_of(body.roster),
        )
    )


def _read(answer: RestResponse) -> RosteredRoom:
    room = decode(_room, answer)
    return RosteredRoom(
        Room(room.id, room.created_date_time, room.valid_from, room.valid_until),
        room.room_join_policy or INVITE_ONLY,
        roster_from(room.participants),
    )
