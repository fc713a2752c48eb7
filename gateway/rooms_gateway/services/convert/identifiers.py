"""Conversion of identifiers between raw ids and typed identifiers.

A raw id gets a kind only if Microsoft's own parsers agree on it and the contract can express it;
any other is `unknown`. So no client receives a kind that its SDK would reject, and every identifier
of a response is valid in a request.
"""

from __future__ import annotations

from acs.identity.v1.users_pb2 import User
from acs.rooms.v1 import identifiers_pb2 as pb
from acs.rooms.v1.join_pb2 import ExplainJoinRequest
from acs.rooms.v1.participants_pb2 import Participant

from rooms_gateway.errors import InvalidRequestError, Violation

MAX_LENGTH = 256
"""Characters of a raw id in either form, so that each can express what the other can."""

_PHONE_NUMBER = "4:"
_SPOOL = "8:spool"
_TEAMS_VISITOR = "8:teamsvisitor"
_COMMUNICATION_USERS = frozenset({"8:acs", _SPOOL, "8:dod-acs", "8:gcch-acs"})
# The JavaScript parser has a separate kind for these users, the Python parser has none.
_UNDERSCORES_OF_A_TEAMS_EXTENSION_USER = 2
_TEAMS_USERS = {
    "8:orgid": pb.COMMUNICATION_CLOUD_PUBLIC,
    "8:dod": pb.COMMUNICATION_CLOUD_DOD,
    "8:gcch": pb.COMMUNICATION_CLOUD_GCCH,
}
_TEAMS_APPS = {
    "28:orgid": pb.COMMUNICATION_CLOUD_PUBLIC,
    "28:dod": pb.COMMUNICATION_CLOUD_DOD,
    "28:gcch": pb.COMMUNICATION_CLOUD_GCCH,
}
_USER_PREFIXES = {
    pb.COMMUNICATION_CLOUD_UNSPECIFIED: "8:orgid",
    **{cloud: prefix for prefix, cloud in _TEAMS_USERS.items()},
}
_APP_PREFIXES = {
    pb.COMMUNICATION_CLOUD_UNSPECIFIED: "28:orgid",
    **{cloud: prefix for prefix, cloud in _TEAMS_APPS.items()},
}


def fill(identifier: pb.CommunicationIdentifier, raw_id: str) -> None:
    """Set the kind of an empty `identifier`, and its fields, from a raw id."""
    # Not a new message, which protobuf would copy into its parent. Split at the last colon, because
    # the JavaScript parser requires exactly two: with more, no prefix matches.
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
    """Return the typed identifier of a raw id; `unknown` if no kind matches."""
    identifier = pb.CommunicationIdentifier()
    fill(identifier, raw_id)
    return identifier


def to_raw_id(identifier: pb.CommunicationIdentifier) -> str:
    """Return the raw id of a typed identifier; empty if its kind is unset."""
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
    """Return the raw id of a typed identifier in a request.

    Raises InvalidRequestError, naming `field` or a field in it, for rules that the proto cannot
    express.
    """
    kind = identifier.WhichOneof("kind")
    user = identifier.microsoft_teams_user
    if user.is_anonymous and user.cloud not in (
        pb.COMMUNICATION_CLOUD_UNSPECIFIED,
        pb.COMMUNICATION_CLOUD_PUBLIC,
    ):
        raise InvalidRequestError(
            Violation(
                f"{field}.microsoft_teams_user.cloud",
                "must be COMMUNICATION_CLOUD_UNSPECIFIED or COMMUNICATION_CLOUD_PUBLIC for an "
                "anonymous user",
            )
        )
    raw_id = to_raw_id(identifier)
    if len(raw_id) > MAX_LENGTH:
        raise InvalidRequestError(
            Violation(field, f"has a raw id of more than {MAX_LENGTH} characters")
        )
    # `unknown` claims no kind, so any raw id is valid in it.
    if kind != "unknown" and from_raw_id(raw_id).WhichOneof("kind") != kind:
        raise InvalidRequestError(
            Violation(field, "has a raw id of another kind: send it as unknown or as a raw id")
        )
    return raw_id


def is_communication_user(raw_id: str) -> bool:
    """Return whether a raw id has the prefix of a user of a Communication Services resource."""
    prefix, _, rest = raw_id.rpartition(":")
    return prefix in _COMMUNICATION_USERS and bool(rest)


def raw_id_of(message: Participant | User | ExplainJoinRequest, field: str) -> str:
    """Return the raw id that a request selects by `raw_id`, `identifier` or both.

    `field` is the path of `message`, empty for the request itself. Raises InvalidRequestError,
    naming a field in it, if both are unset or differ, and as `requested_raw_id` does.
    """
    path = f"{field}." if field else ""
    if not message.HasField("identifier"):
        if not message.raw_id:
            raise InvalidRequestError(
                Violation(f"{path}raw_id", "must be set unless identifier is set")
            )
        return message.raw_id
    raw_id = requested_raw_id(message.identifier, f"{path}identifier")
    if message.raw_id and message.raw_id != raw_id:
        raise InvalidRequestError(
            Violation(f"{path}identifier", "must have exactly the raw id in raw_id")
        )
    return raw_id
