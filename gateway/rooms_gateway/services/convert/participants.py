"""Participants between contract and REST JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from acs.rooms.v1 import participants_pb2 as pb
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.convert import identifiers
from rooms_gateway.upstream.models import Participant, ParticipantProperties, Roster

_ROLE_TO_REST = {
    pb.ROLE_PRESENTER: "Presenter",
    pb.ROLE_ATTENDEE: "Attendee",
    pb.ROLE_CONSUMER: "Consumer",
    pb.ROLE_COLLABORATOR: "Collaborator",
}
_OF_ROLE = {role: ParticipantProperties(name) for role, name in _ROLE_TO_REST.items()}
_ROLE_FROM_REST = {name: role for role, name in _ROLE_TO_REST.items()}


def participant_from_rest(participant: Participant) -> pb.Participant:
    """Convert an answer; a role that the contract does not know is kept by its name."""
    message = pb.Participant()
    _fill(message, participant)
    return message


def add_participants(
    messages: RepeatedCompositeFieldContainer[pb.Participant], participants: Iterable[Participant]
) -> None:
    """Convert answers as participant_from_rest does, and append them to `messages`."""
    for participant in participants:
        _fill(messages.add(), participant)


def _fill(message: pb.Participant, participant: Participant) -> None:
    # In place, because a message that is made apart is copied into its parent.
    message.raw_id = participant.raw_id
    role = _ROLE_FROM_REST.get(participant.role)
    if role is None:
        message.unrecognized_role = participant.role
    else:
        message.role = role
    identifiers.fill(message.identifier, participant.raw_id)


def roster_of(
    people: Iterable[pb.Participant],
    people_field: str,
    removals: Mapping[str, Iterable[str | pb.CommunicationIdentifier]] | None = None,
) -> Roster:
    """Convert people to add or change, and others to remove, into the map that REST takes.

    `removals` are the fields that name people to remove, in either form. Raises InvalidRequestError,
    naming every field at fault, if somebody is named twice, since in the map the second would
    silently win; if a role is given twice over; or if an identifier says nothing, or two things.
    """
    roster: Roster = {}
    violations: list[Violation] = []
    # The names of fields are made only for violations: with hundreds of people that adds up.
    for index, person in enumerate(people):
        role, unrecognized_role, raw_id = person.role, person.unrecognized_role, person.raw_id
        if role and unrecognized_role:
            field = f"{people_field}[{index}].unrecognized_role"
            violations.append(Violation(field, "must be empty when role is set"))
        if not raw_id or person.HasField("identifier"):
            try:
                raw_id = identifiers.raw_id_of(person, f"{people_field}[{index}]")
            except InvalidRequestError as error:
                violations += error.violations
                continue
        if raw_id in roster:
            form = "raw_id" if person.raw_id else "identifier"
            violations.append(_named_before(f"{people_field}[{index}].{form}"))
        roster[raw_id] = _OF_ROLE.get(role) or ParticipantProperties(unrecognized_role or None)
    _remove(removals or {}, roster, violations)
    if violations:
        raise InvalidRequestError(*violations)
    return roster


def _remove(
    removals: Mapping[str, Iterable[str | pb.CommunicationIdentifier]],
    roster: Roster,
    violations: list[Violation],
) -> None:
    """Add those to remove to `roster`, and what is wrong with them to `violations`."""
    for removal_field, removed in removals.items():
        for index, each in enumerate(removed):
            field = f"{removal_field}[{index}]"
            try:
                raw_id = (
                    each if isinstance(each, str) else identifiers.requested_raw_id(each, field)
                )
            except InvalidRequestError as error:
                violations += error.violations
                continue
            if raw_id in roster:
                violations.append(_named_before(field))
            roster[raw_id] = None


def _named_before(field: str) -> Violation:
    return Violation(field, "names somebody whom this request has named before")
