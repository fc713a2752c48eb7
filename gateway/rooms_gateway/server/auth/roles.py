"""The table of roles: the least role that each RPC requires.

It has names only, so that a policy is checked without grpc and protobuf. A test compares it with
the protos: each RPC has a row, and a reader's RPCs are those without side effects.
"""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """A set of permissions; each role includes those before it."""

    READER = 1
    """Read-only RPCs."""
    WRITER = 2
    """Reader, plus RPCs that create and change rooms and their participants."""
    ISSUER = 3
    """Writer, plus RPCs that create users and return access tokens."""
    ADMIN = 4
    """Issuer, plus the deletion of rooms and users (irreversible)."""


NEEDED: dict[str, dict[str, Role]] = {
    "acs.rooms.v1.RoomsService": {
        "CreateRoom": Role.WRITER,
        "GetRoom": Role.READER,
        "UpdateRoom": Role.WRITER,
        "DeleteRoom": Role.ADMIN,
        "ListRooms": Role.READER,
        "BulkCreateRooms": Role.WRITER,
        "BulkDeleteRooms": Role.ADMIN,
    },
    "acs.rooms.v1.ParticipantsService": {
        "UpsertParticipants": Role.WRITER,
        "RemoveParticipants": Role.WRITER,
        "UpdateParticipants": Role.WRITER,
        "SyncParticipants": Role.WRITER,
        "ListParticipants": Role.READER,
    },
    "acs.rooms.v1.JoinService": {
        "AdmitParticipants": Role.ISSUER,
        "CreateRoomWithGuests": Role.ISSUER,
        "ExplainJoin": Role.READER,
    },
    "acs.identity.v1.IdentityService": {
        "CreateUser": Role.ISSUER,
        "IssueToken": Role.ISSUER,
        "RevokeTokens": Role.ISSUER,
        "DeleteUser": Role.ADMIN,
        "ExchangeTeamsUserToken": Role.ISSUER,
    },
    "acs.rooms.legacy.v1.LegacyRoomsService": {
        "CreateRoom": Role.WRITER,
        "GetRoom": Role.READER,
        "UpdateRoom": Role.WRITER,
        "DeleteRoom": Role.ADMIN,
        "AddParticipants": Role.WRITER,
        "UpdateParticipants": Role.WRITER,
        "RemoveParticipants": Role.WRITER,
        "GetParticipants": Role.READER,
    },
}
"""The least role by service and method."""

ROLES = {role.name.lower(): role for role in Role}
"""Roles by their name in a policy."""

METHODS = {
    f"{service}/{method}": role
    for service, needed in NEEDED.items()
    for method, role in needed.items()
}
"""The least role by `package.Service/Method`, which is how a policy names RPCs."""


def allowed_to(role: Role) -> frozenset[str]:
    """Return the RPCs that a role may call, as `package.Service/Method`."""
    return frozenset(name for name, needed in METHODS.items() if needed <= role)
