"""The JSON of requests of api-version 2022-02-01, where it differs from that of today.

Every function raises ``ServiceError`` of the validation family for what it cannot read.
"""

from typing import Any, Final

from rooms_emulator import problems
from rooms_emulator.http.bodies import JsonObject
from rooms_emulator.problems import ServiceError
from rooms_emulator.rooms.roster import DEFAULT_ROLE

ROLES: Final = ("Presenter", "Attendee", "Consumer")
JOIN_POLICIES: Final = ("InviteOnly", "CommunicationServiceUsers")
_BAD_ROLE: Final = f"Invalid participant role. The valid roles are: {', '.join(ROLES)}."
_BAD_POLICY: Final = f"Invalid join policy. The valid policies are: {', '.join(JOIN_POLICIES)}."


def join_policy(body: JsonObject) -> str | None:
    """Read the join policy; null is the same as absent."""
    policy = body.get("roomJoinPolicy")
    if policy is None:
        return None
    if policy not in JOIN_POLICIES:
        raise _refused(_BAD_POLICY, "RoomJoinPolicy")
    return str(policy)


def roster(body: JsonObject) -> dict[str, str] | None:
    """Read the participants of a room, raw id to role; null is the same as absent."""
    participants = body.get("participants")
    if participants is None:
        return None
    if not isinstance(participants, list):
        raise _refused("The JSON value could not be converted to an array.", "$.participants")
    people: dict[str, str] = {}
    for index, participant in enumerate(participants):
        target = f"$.participants[{index}]"
        if not isinstance(participant, dict):
            raise _refused("The JSON value could not be converted to an object.", target)
        raw_id = _raw_id(participant.get("communicationIdentifier"), target)
        if raw_id in people:
            raise _refused("The participant is named more than once.", target)
        people[raw_id] = _role(participant.get("role"), target)
    return people


def required_roster(body: JsonObject) -> dict[str, str]:
    """Read the participants to add, update or remove."""
    people = roster(body)
    if people is None:
        raise _refused("The Participants field is required.", "Participants")
    return people


def _raw_id(identifier: object, target: str) -> str:
    if isinstance(identifier, dict):
        user: Any = identifier.get("communicationUser")
        raw_id = user.get("id") if isinstance(user, dict) else identifier.get("rawId")
        if isinstance(raw_id, str) and raw_id:
            return raw_id
    raise _refused("The CommunicationIdentifier field is required.", target)


def _role(role: object, target: str) -> str:
    if role is None:
        return DEFAULT_ROLE
    if role not in ROLES:
        raise _refused(_BAD_ROLE, f"{target}.role")
    return str(role)


def _refused(message: str, target: str) -> ServiceError:
    return problems.invalid([problems.bad_argument(message, target)])
