"""The JSON of requests, read strictly and refused as the service's model validation does.

Every function raises ``ServiceError`` of the validation family for what it cannot read.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from rooms_emulator import problems, timestamps
from rooms_emulator.problems import ServiceError
from rooms_emulator.rooms.roster import DEFAULT_ROLE

ROLES: Final = ("Presenter", "Attendee", "Consumer", "Collaborator")
_BAD_ROLE: Final = f"Invalid participant role. The valid roles are: {', '.join(ROLES)}."

JsonObject = Mapping[str, Any]


def read(body: bytes) -> JsonObject:
    """Read a body, which has to be one JSON object without duplicate members."""
    if not body:
        raise _refused("A non-empty request body is required.", "")
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        # Half a surrogate pair is fine for the parser and cannot be written again.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _refused("The request body is not valid JSON.", "$") from None
    if not isinstance(value, dict):
        raise _unconvertible("an object", "$")
    return value


def instant(body: JsonObject, member: str) -> int | None:
    """Read a date-time in ticks; null is the same as absent."""
    value = body.get(member)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return timestamps.parse(value)
    except ValueError:
        pass
    raise _unconvertible("a date-time", f"$.{member}")


def flag(body: JsonObject, member: str) -> bool | None:
    """Read a boolean; null is the same as absent."""
    value = body.get(member)
    if value is None or isinstance(value, bool):
        return value
    raise _unconvertible("a boolean", f"$.{member}")


def first_roster(body: JsonObject) -> dict[str, str]:
    """Read the participants of a new room, raw id to role; null and absent mean nobody."""
    participants = body.get("participants")
    return {} if participants is None else _roster(participants)


def roster_changes(body: JsonObject) -> dict[str, str | None]:
    """Read a merge patch of participants: raw id to role, or to ``None`` to remove."""
    participants = body.get("participants")
    if participants is None:
        raise _refused("The Participants field is required.", "Participants")
    if not isinstance(participants, dict):
        raise _unconvertible("an object", "$.participants")
    return {
        raw_id: None if properties is None else _role(raw_id, properties)
        for raw_id, properties in participants.items()
    }


def _roster(participants: object) -> dict[str, str]:
    if not isinstance(participants, dict):
        raise _unconvertible("an object", "$.participants")
    return {raw_id: _role(raw_id, properties) for raw_id, properties in participants.items()}


def _role(raw_id: str, properties: object) -> str:
    if not isinstance(properties, dict):
        raise _unconvertible("an object", f"$.participants.{raw_id}")
    role = properties.get("role")
    if role is None:
        return DEFAULT_ROLE
    if role not in ROLES:
        raise _refused(_BAD_ROLE, f"$.participants.{raw_id}.role")
    return str(role)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unconvertible(kind: str, target: str) -> ServiceError:
    return _refused(f"The JSON value could not be converted to {kind}.", target)


def _refused(message: str, target: str) -> ServiceError:
    return problems.invalid([problems.bad_argument(message, target)])
