"""Conversion of participants between protobuf and REST JSON."""

from __future__ import annotations

from collections.abc import Iterable

from acs.rooms.v1 import participants_pb2 as pb
from acs.rooms.v1.identifiers_pb2 import CommunicationIdentifier
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from rooms_gateway.errors import InvalidRequestError, Violation
from rooms_gateway.services.convert import identifiers
from rooms_gateway.upstream.models import Participant, ParticipantProperties, Roster

DEFAULT_ROLE = "Attendee"
"""The role that the Rooms service gives to participants without one."""

_ROLE_TO_REST = {
    pb.PARTICIPANT_ROLE_PRESENTER: "Presenter",
    pb.PARTICIPANT_ROLE_ATTENDEE: "Attendee",
    pb.PARTICIPANT_ROLE_CONSUMER: "Consumer",
    pb.PARTICIPANT_ROLE_COLLABORATOR: "Collaborator",
}
_PROPERTIES = {role: ParticipantProperties(name) for role, name in _ROLE_TO_REST.items()}
_USUAL_PROPERTIES = {pb.PARTICIPANT_ROLE_UNSPECIFIED: ParticipantProperties(), **_PROPERTIES}
_ROLE_FROM_REST = {name: role for role, name in _ROLE_TO_REST.items()}


def role_to_rest(role: pb.ParticipantRole.ValueType) -> str | None:
    """Return the REST name of a role; None for PARTICIPANT_ROLE_UNSPECIFIED."""
    return _ROLE_TO_REST.get(role)


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


def usual_roster(participants: RepeatedCompositeFieldContainer[pb.Participant]) -> Roster | None:
    """Convert participants in one pass if each has nothing but a raw id and a known role.

    None: one has another form. A roster that is returned breaks no rule of the proto, and is the
    one that `roster_of` returns.
    """
    try:
        roster: Roster = {
            each.raw_id: _USUAL_PROPERTIES[each.role]
            for each in participants
            if not (each.unrecognized_role or each.HasField("identifier"))
        }
    except KeyError:
        return None
    # Fewer than participants if one was left out or named twice.
    if len(roster) != len(participants) or "" in roster:
        return None
    return roster if max(map(len, roster), default=0) <= identifiers.MAX_LENGTH else None


def roster_of(
    participants: Iterable[pb.Participant],
    remove_raw_ids: Iterable[str] = (),
    remove_identifiers: Iterable[CommunicationIdentifier] = (),
    *,
    field: str = "participants",
    read: Roster | None = None,
) -> Roster:
    """Convert participants to upsert, and others to remove, into one map for the REST API.

    `field` is the path of `participants` in the request, `read` their roster if `usual_roster` has
    returned one. Raises InvalidRequestError with all violations: a participant named twice, of
    which the map would keep the second only; two roles for one participant; an identifier that is
    unset or contradictory.
    """
    roster: Roster = {} if read is None else read
    violations: list[Violation] = []
    # Field names are built for violations only: with hundreds of participants they take time.
    for index, each in enumerate(participants if read is None else ()):
        role, unrecognized_role, raw_id = each.role, each.unrecognized_role, each.raw_id
        if role and unrecognized_role:
            path = f"{field}[{index}].unrecognized_role"
            violations.append(Violation(path, "must be empty when role is set"))
        if not raw_id or each.HasField("identifier"):
            try:
                raw_id = identifiers.raw_id_of(each, f"{field}[{index}]")
            except InvalidRequestError as error:
                violations += error.violations
                continue
        if raw_id in roster:
            form = "raw_id" if each.raw_id else "identifier"
            violations.append(_duplicate(f"{field}[{index}].{form}"))
        roster[raw_id] = _PROPERTIES.get(role) or ParticipantProperties(unrecognized_role or None)
    _add_removals(remove_raw_ids, remove_identifiers, roster, violations)
    if violations:
        raise InvalidRequestError(*violations)
    return roster


def roles_of(roster: Roster) -> dict[str, str]:
    """Return the roles of a roster to send, without removals; a missing role is the default one."""
    return {
        raw_id: properties.role or DEFAULT_ROLE
        for raw_id, properties in roster.items()
        if properties is not None
    }


def _add_removals(
    raw_ids: Iterable[str],
    typed: Iterable[CommunicationIdentifier],
    roster: Roster,
    violations: list[Violation],
) -> None:
    """Add participants to remove to `roster`, and their violations to `violations`."""
    for index, raw_id in enumerate(raw_ids):
        if raw_id in roster:
            violations.append(_duplicate(f"remove_raw_ids[{index}]"))
        roster[raw_id] = None
    for index, identifier in enumerate(typed):
        path = f"remove_identifiers[{index}]"
        try:
            raw_id = identifiers.requested_raw_id(identifier, path)
        except InvalidRequestError as error:
            violations += error.violations
            continue
        if raw_id in roster:
            violations.append(_duplicate(path))
        roster[raw_id] = None


def _duplicate(field: str) -> Violation:
    return Violation(field, "names a participant that this request has named before")
