"""Conversion of participants between protobuf and REST JSON."""

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
_PROPERTIES = {role: ParticipantProperties(name) for role, name in _ROLE_TO_REST.items()}
_ROLE_FROM_REST = {name: role for role, name in _ROLE_TO_REST.items()}


def participant_from_rest(participant: Participant) -> pb.Participant:
    """Convert a participant; a role that the contract lacks is set in `unrecognized_role`."""
    message = pb.Participant()
    _fill(message, participant)
    return message


def add_participants(
    messages: RepeatedCompositeFieldContainer[pb.Participant], participants: Iterable[Participant]
) -> None:
    """Convert as `participant_from_rest` does, and append the results to `messages`."""
    for participant in participants:
        _fill(messages.add(), participant)


def _fill(message: pb.Participant, participant: Participant) -> None:
    # Not a new message, which protobuf would copy into its parent.
    message.raw_id = participant.raw_id
    role = _ROLE_FROM_REST.get(participant.role)
    if role is None:
        message.unrecognized_role = participant.role
    else:
        message.role = role
    identifiers.fill(message.identifier, participant.raw_id)


def roster_of(
    participants: Iterable[pb.Participant],
    participants_field: str,
    removals: Mapping[str, Iterable[str | pb.CommunicationIdentifier]] | None = None,
) -> Roster:
    """Convert participants to upsert, and others to remove, into one map for the REST API.

    `removals` maps the names of fields to their values, raw ids or identifiers. Raises
    InvalidRequestError with all violations: a participant named twice, of which the map would keep
    the second only; two roles for one participant; an identifier that is unset or contradictory.
    """
    roster: Roster = {}
    violations: list[Violation] = []
    # Field names are built for violations only: with hundreds of participants they take time.
    for index, each in enumerate(participants):
        role, unrecognized_role, raw_id = each.role, each.unrecognized_role, each.raw_id
        if role and unrecognized_role:
            field = f"{participants_field}[{index}].unrecognized_role"
            violations.append(Violation(field, "must be empty when role is set"))
        if not raw_id or each.HasField("identifier"):
            try:
                raw_id = identifiers.raw_id_of(each, f"{participants_field}[{index}]")
            except InvalidRequestError as error:
                violations += error.violations
                continue
        if raw_id in roster:
            form = "raw_id" if each.raw_id else "identifier"
            violations.append(_duplicate(f"{participants_field}[{index}].{form}"))
        roster[raw_id] = _PROPERTIES.get(role) or ParticipantProperties(unrecognized_role or None)
    _add_removals(removals or {}, roster, violations)
    if violations:
        raise InvalidRequestError(*violations)
    return roster


def _add_removals(
    removals: Mapping[str, Iterable[str | pb.CommunicationIdentifier]],
    roster: Roster,
    violations: list[Violation],
) -> None:
    """Add `removals` to `roster`, and their violations to `violations`."""
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
                violations.append(_duplicate(field))
            roster[raw_id] = None


def _duplicate(field: str) -> Violation:
    return Violation(field, "names a participant that this request has named before")
