"""Identifiers: a raw id on one side, the same taken apart by its kind on the other.

A kind is claimed only where Microsoft's own parsers agree on it and the contract can express it;
everything else is `unknown`. That way no client is told a kind that its own SDK would deny, and an
answer can always be sent back.
"""

from __future__ import annotations

from typing import Final

from acs.rooms.v1 import participants_pb2 as pb

from rooms_gateway.errors import InvalidRequestError, Violation

MAX_LENGTH: Final = 256
"""Characters of a raw id; the same for both forms, or one could say what the other cannot."""

_PHONE_NUMBER: Final = "4:"
_SPOOL: Final = "8:spool"
_TEAMS_VISITOR: Final = "8:teamsvisitor"
_COMMUNICATION_USERS: Final = frozenset({"8:acs", _SPOOL, "8:dod-acs", "8:gcch-acs"})
# Such users are a kind of their own to the JavaScript parser, and unheard of to the Python one.
_UNDERSCORES_OF_A_TEAMS_EXTENSION_USER: Final = 2
_TEAMS_USERS: Final = {
    "8:orgid": pb.CLOUD_PUBLIC,
    "8:dod": pb.CLOUD_DOD,
    "8:gcch": pb.CLOUD_GCCH,
}
_TEAMS_APPS: Final = {
    "28:orgid": pb.CLOUD_PUBLIC,
    "28:dod": pb.CLOUD_DOD,
    "28:gcch": pb.CLOUD_GCCH,
}
_USER_PREFIXES: Final = {
    pb.CLOUD_UNSPECIFIED: "8:orgid",
    **{cloud: prefix for prefix, cloud in _TEAMS_USERS.items()},
}
_APP_PREFIXES: Final = {
    pb.CLOUD_UNSPECIFIED: "28:orgid",
    **{cloud: prefix for prefix, cloud in _TEAMS_APPS.items()},
}


def fill(identifier: pb.CommunicationIdentifier, raw_id: str) -> None:
    """Set the kind of an empty `identifier` and what belongs to it, from a raw id."""
    # In place, because a message that is made apart is copied into its parent. Split at the last
    # colon, because the JavaScript parser wants exactly two: with more, no prefix is found.
    prefix, _, rest = raw_id.rpartition(":")
    if prefix in _COMMUNICATION_USERS and (
        prefix == _SPOOL or rest.count("_") != _UNDERSCORES_OF_A_TEAMS_EXTENSION_USER
    ):
        identifier.communication_user.id = raw_id
    elif raw_id.startswith(_PHONE_NUMBER) and len(raw_id) > len(_PHONE_NUMBER):
        identifier.phone_number.value = raw_id[len(_PHONE_NUMBER) :]
    elif prefix in _TEAMS_USERS and rest:
        identifier.microsoft_teams_user.user_id = rest
        identifier.microsoft_teams_user.cloud = _TEAMS_USERS[prefix]
    elif prefix == _TEAMS_VISITOR and rest:
        identifier.microsoft_teams_user.user_id = rest
        identifier.microsoft_teams_user.is_anonymous = True
    elif prefix in _TEAMS_APPS and rest:
        identifier.microsoft_teams_app.app_id = rest
        identifier.microsoft_teams_app.cloud = _TEAMS_APPS[prefix]
    else:
        identifier.unknown.id = raw_id


def from_raw_id(raw_id: str) -> pb.CommunicationIdentifier:
    """Take a raw id apart. Every text has an answer; what is of no kind is `unknown`."""
    identifier = pb.CommunicationIdentifier()
    fill(identifier, raw_id)
    return identifier


def to_raw_id(identifier: pb.CommunicationIdentifier) -> str:
    """Put the raw id together again; empty if `identifier` has no kind."""
    kind = identifier.WhichOneof("kind")
    if kind == "communication_user":
        return identifier.communication_user.id
    if kind == "phone_number":
        return _PHONE_NUMBER + identifier.phone_number.value
    if kind == "microsoft_teams_user":
        user = identifier.microsoft_teams_user
        prefix = _TEAMS_VISITOR if user.is_anonymous else _USER_PREFIXES[user.cloud]
        return f"{prefix}:{user.user_id}"
    if kind == "microsoft_teams_app":
        app = identifier.microsoft_teams_app
        return f"{_APP_PREFIXES[app.cloud]}:{app.app_id}"
    return identifier.unknown.id


def requested_raw_id(identifier: pb.CommunicationIdentifier, field: str) -> str:
    """Return the raw id that an identifier of a request stands for.

    Raises InvalidRequestError, naming `field` or what is below it, for what the contract's rules of
    shape cannot express.
    """
    kind = identifier.WhichOneof("kind")
    user = identifier.microsoft_teams_user
    if user.is_anonymous and user.cloud not in (pb.CLOUD_UNSPECIFIED, pb.CLOUD_PUBLIC):
        raise InvalidRequestError(
            Violation(
                f"{field}.microsoft_teams_user.cloud",
                "must be CLOUD_UNSPECIFIED or CLOUD_PUBLIC for somebody anonymous",
            )
        )
    raw_id = to_raw_id(identifier)
    if len(raw_id) > MAX_LENGTH:
        raise InvalidRequestError(
            Violation(field, f"has a raw id of more than {MAX_LENGTH} characters")
        )
    # Whoever says `unknown` claims nothing, so nothing can be wrong with it.
    if kind != "unknown" and from_raw_id(raw_id).WhichOneof("kind") != kind:
        raise InvalidRequestError(
            Violation(field, "is not of this kind by its raw id: send it as unknown or as a raw id")
        )
    return raw_id


def raw_id_of(person: pb.Participant, field: str) -> str:
    """Return the raw id of somebody in a request, from either form or both.

    Raises InvalidRequestError, naming what is at fault below `field`, if there is neither form, if they
    do not agree letter by letter, or as requested_raw_id does.
    """
    if not person.HasField("identifier"):
        if not person.raw_id:
            raise InvalidRequestError(
                Violation(f"{field}.raw_id", "must be set unless identifier is set")
            )
        return person.raw_id
    raw_id = requested_raw_id(person.identifier, f"{field}.identifier")
    if person.raw_id and person.raw_id != raw_id:
        raise InvalidRequestError(
            Violation(f"{field}.identifier", "must mean the same as raw_id, letter by letter")
        )
    return raw_id
