"""The one table of roles: which of them each RPC takes.

Names only, so that a policy is checked without grpc and protobuf. A test compares with the protos:
a reader's RPCs are those without side effects, and no RPC is without a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum


class Role(IntEnum):
    """What a caller may do; each may do what those before it may."""

    READER = 1
    """Looks, and changes nothing."""
    WRITER = 2
    """Makes and changes rooms, and who is in them."""
    ADMIN = 3
    """Deletes rooms too, which nothing brings back."""


NEEDED: dict[str, dict[str, Role]] = {
    "acs.rooms.v1.RoomsService": {
        "CreateRoom": Role.WRITER,
        "GetRoom": Role.READER,
        "UpdateRoom": Role.WRITER,
        "DeleteRoom": Role.ADMIN,
        "ListRooms": Role.READER,
    },
    "acs.rooms.v1.ParticipantsService": {
        "UpsertParticipants": Role.WRITER,
        "RemoveParticipants": Role.WRITER,
        "UpdateParticipants": Role.WRITER,
        "ListParticipants": Role.READER,
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
"""The least role for each RPC, by service and method."""

ROLES = {role.name.lower(): role for role in Role}
"""By the name that a policy has for them."""


def _methods() -> Iterator[tuple[str, Role]]:
    for service, needed in NEEDED.items():
        for method, role in needed.items():
            yield f"{service}/{method}", role


METHODS = dict(_methods())
"""The least role by `package.Service/Method`, the form in which a policy names RPCs."""


def allowed_to(role: Role) -> frozenset[str]:
    """Return the RPCs of a role, as `package.Service/Method`."""
    return frozenset(name for name, needed in METHODS.items() if needed <= role)
