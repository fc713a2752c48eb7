"""Members of request bodies of api-version 2022-02-01 that differ from current versions.

Every function raises ServiceError of the validation family for an invalid member.
"""

from __future__ import annotations

from typing import Any

from rooms_emulator import problems
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.rooms.records import DEFAULT_ROLE

ROLES = ("Presenter", "Attendee", "Consumer")
JOIN_POLICIES = ("InviteOnly", "CommunicationServiceUsers")
_BAD_ROLE = f"Invalid participant role. The valid roles are: {', '.join(ROLES)}."
_BAD_POLICY = f"Invalid join policy. The valid policies are: {', '.join(JOIN_POLICIES)}."


def join_policy(body: JsonObject) -> str | None:
    """Return the join policy; None if it is null or absent."""
    policy = body.get("roomJoinPolicy")
    if policy is None:
        return None
    if policy not in JOIN_POLICIES:
        raise problems.invalid_member(_BAD_POLICY, "RoomJoinPolicy")
    return str(policy)


def roster(body: JsonObject) -> dict[str, str] | None:
    """Return the participants of a room, raw id to role; None if they are null or absent."""
    participants = body.get("participants")
    if participants is None:
        return None
    if not isinstance(participants, list):
        raise problems.unconvertible("an array", "$.participants")
    roles: dict[str, str] = {}
    for index, participant in enumerate(participants):
        target = f"$.participants[{index}]"
        if not isinstance(participant, dict):
            raise problems.unconvertible("an object", target)
        raw_id = _raw_id(participant.get("communicationIdentifier"), target)
        if raw_id in roles:
            raise problems.invalid_member("The participant is named more than once.", target)
        roles[raw_id] = _role(participant.get("role"), target)
    return roles


def required_roster(body: JsonObject) -> dict[str, str]:
    """Return the participants to add, update or remove, raw id to role."""
    roles = roster(body)
    if roles is None:
        raise problems.invalid_member("The Participants field is required.", "Participants")
    return roles


def _raw_id(identifier: object, target: str) -> str:
    if isinstance(identifier, dict):
        user: Any = identifier.get("communicationUser")
        raw_id = user.get("id") if isinstance(user, dict) else identifier.get("rawId")
        if isinstance(raw_id, str) and raw_id:
            return raw_id
    raise problems.invalid_member("The CommunicationIdentifier field is required.", target)


def _role(role: object, target: str) -> str:
    if role is None:
        return DEFAULT_ROLE
    if role not in ROLES:
        raise problems.invalid_member(_BAD_ROLE, f"{target}.role")
    return str(role)
