"""Participants between contract and REST JSON."""

from __future__ import annotations

from collections.abc import Iterable

from acs.rooms.v1 import participants_pb2 as pb

from gateway.errors import RequestInvalid, Violation
from gateway.models import Participant, ParticipantProperties, Roster

_ROLE_TO_REST = {
    pb.ROLE_PRESENTER: "Presenter",
    pb.ROLE_ATTENDEE: "Attendee",
    pb.ROLE_CONSUMER: "Consumer",
    pb.ROLE_COLLABORATOR: "Collaborator",
}
_ROLE_FROM_REST = {name: role for role, name in _ROLE_TO_REST.items()}


def participant_from_rest(participant: Participant) -> pb.Participant:
    """Convert an answer; a role that the contract does not know is kept by its name."""
    role = _ROLE_FROM_REST.get(participant.role)
    if role is None:
        return pb.Participant(raw_id=participant.raw_id, unrecognized_role=participant.role)
    return pb.Participant(raw_id=participant.raw_id, role=role)


def roster_of(
    people: Iterable[pb.Participant],
    people_field: str,
    remove: Iterable[str] = (),
    remove_field: str = "",
) -> Roster:
    """Convert people to add or change, and raw ids to remove, into the map that REST takes.

    The fields are named in violations. Raises RequestInvalid if somebody is named twice, or a role
    is given twice over: in the map the second would silently win.
    """
    roster: Roster = {}
    violations = []
    for index, person in enumerate(people):
        if person.raw_id in roster:
            violations.append(_named_before(f"{people_field}[{index}].raw_id"))
        if person.role and person.unrecognized_role:
            violations.append(
                Violation(
                    f"{people_field}[{index}].unrecognized_role", "must be empty when role is set"
                )
            )
        role = _ROLE_TO_REST.get(person.role) or person.unrecognized_role or None
        roster[person.raw_id] = ParticipantProperties(role)
    for index, raw_id in enumerate(remove):
        if raw_id in roster:
            violations.append(_named_before(f"{remove_field}[{index}]"))
        roster[raw_id] = None
    if violations:
        raise RequestInvalid(*violations)
    return roster


def _named_before(field: str) -> Violation:
    return Violation(field, "names somebody whom this request has named before")
