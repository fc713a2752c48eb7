"""Members of request bodies, validated as the service's model validation does.

Every function raises ServiceError of the validation family for an invalid member.
"""

from __future__ import annotations

from rooms_emulator import problems, timestamps
from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.rooms.records import DEFAULT_ROLE

ROLES = ("Presenter", "Attendee", "Consumer", "Collaborator")
_BAD_ROLE = f"Invalid participant role. The valid roles are: {', '.join(ROLES)}."


def instant(body: JsonObject, member: str) -> int | None:
    """Return a date-time in ticks; None if it is null or absent."""
    value = body.get(member)
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return timestamps.parse(value)
    except ValueError:
        pass
    raise problems.unconvertible("a date-time", f"$.{member}")


def flag(body: JsonObject, member: str) -> bool | None:
    """Return a boolean; None if it is null or absent."""
    value = body.get(member)
    if value is None or isinstance(value, bool):
        return value
    raise problems.unconvertible("a boolean", f"$.{member}")


def first_roster(body: JsonObject) -> dict[str, str | None]:
    """Return the participants of a new room as a merge patch; empty if they are null or absent."""
    participants = body.get("participants")
    return {} if participants is None else _changes(participants)


def roster_changes(body: JsonObject) -> dict[str, str | None]:
    """Return a merge patch of participants: raw id to role, or to None to remove."""
    participants = body.get("participants")
    if participants is None:
        raise problems.invalid_member("The Participants field is required.", "Participants")
    return _changes(participants)


def _changes(participants: object) -> dict[str, str | None]:
    if not isinstance(participants, dict):
        raise problems.unconvertible("an object", "$.participants")
    return {
        raw_id: None if properties is None else _role(raw_id, properties)
        for raw_id, properties in participants.items()
    }


def _role(raw_id: str, properties: object) -> str:
    if not isinstance(properties, dict):
        raise problems.unconvertible("an object", f"$.participants.{raw_id}")
    role = properties.get("role")
    if role is None:
        return DEFAULT_ROLE
    if role not in ROLES:
        raise problems.invalid_member(_BAD_ROLE, f"$.participants.{raw_id}.role")
    return str(role)
