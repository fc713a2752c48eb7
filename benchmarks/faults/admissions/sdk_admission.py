"""An admission with Microsoft's Python clients, as a program does it without a gateway.

Users, roster, access tokens: the order in which no token is issued too early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.communication.identity import (
    CommunicationTokenScope,
    identifier_from_raw_id,
)
from azure.communication.rooms import RoomParticipant

from benchmarks.faults.admissions.wire import TRACEPARENT, traceparent, user_of
from benchmarks.faults.calls import Kind


async def admit(rooms: Any, identity: Any, line: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Make the call of a line, and return the room and the results, as those of `Admitted`."""
    headers = {TRACEPARENT: traceparent(line["trace"])}
    room = line["room"]
    if line["kind"] == Kind.CREATE_WITH_GUESTS:
        room = (await rooms.create_room(headers=dict(headers))).id
    users: list[Any] = []
    for guest in line["guests"]:
        if guest["raw_id"]:
            users.append(identifier_from_raw_id(guest["raw_id"]))
        else:
            users.append(await identity.create_user(headers=headers))
    participants = [
        RoomParticipant(communication_identifier=user, role=guest["role"])
        for user, guest in zip(users, line["guests"], strict=True)
    ]
    await rooms.add_or_update_participants(room_id=room, participants=participants, headers=headers)
    results = []
    for user, participant in zip(users, participants, strict=True):
        found = await identity.get_token(user, [CommunicationTokenScope.VOIP], headers=headers)
        results.append(
            {"raw_id": user.raw_id, "role": participant.role, "token_of": user_of(found.token)}
        )
    return room, results
