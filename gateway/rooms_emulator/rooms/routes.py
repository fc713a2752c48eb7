"""The whole API on one screen: a new operation is a row here and a method in ``operations``."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from rooms_emulator import problems
from rooms_emulator.rooms.legacy import LegacyOperations as Legacy
from rooms_emulator.rooms.operations import Answer, Call, Operations

_JSON: Final = "application/json"
_MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: where it is, what runs it, and the type of its body if it has one."""

    method: str
    path: str
    operation: str
    run: Callable[[Legacy, Call], Answer]
    media_type: str | None = None


ROUTES: Final = (
    Route("POST", "/rooms", "CreateRoom", Operations.create_room, _JSON),
    Route("GET", "/rooms", "ListRooms", Operations.list_rooms),
    Route("GET", "/rooms/{}", "GetRoom", Operations.get_room),
    Route("PATCH", "/rooms/{}", "UpdateRoom", Operations.update_room, _MERGE_PATCH),
    Route("DELETE", "/rooms/{}", "DeleteRoom", Operations.delete_room),
    Route("GET", "/rooms/{}/participants", "ListParticipants", Operations.list_participants),
    Route(
        "PATCH",
        "/rooms/{}/participants",
        "UpdateParticipants",
        Operations.update_participants,
        _MERGE_PATCH,
    ),
)
# The whole API of 2022-02-01.
LEGACY_ROUTES: Final = (
    Route("POST", "/rooms", "CreateRoom", Legacy.create_legacy_room, _JSON),
    Route("GET", "/rooms/{}", "GetRoom", Legacy.get_legacy_room),
    Route("PATCH", "/rooms/{}", "UpdateRoom", Legacy.update_legacy_room, _JSON),
    Route("DELETE", "/rooms/{}", "DeleteRoom", Legacy.delete_room),
    Route("GET", "/rooms/{}/participants", "GetParticipants", Legacy.get_participants),
    Route("POST", "/rooms/{}/participants:add", "AddParticipants", Legacy.add, _JSON),
    Route("POST", "/rooms/{}/participants:update", "UpdateParticipants", Legacy.change, _JSON),
    Route("POST", "/rooms/{}/participants:remove", "RemoveParticipants", Legacy.remove, _JSON),
)
OPERATIONS: Final = tuple(dict.fromkeys(route.operation for route in (*ROUTES, *LEGACY_ROUTES)))

_Paths = tuple[tuple[re.Pattern[str], dict[str, Route]], ...]


def _by_path(routes: Iterable[Route]) -> _Paths:
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = route
    return tuple((re.compile(path.replace("{}", "([^/]+)")), paths[path]) for path in paths)


_PATHS: Final = _by_path(ROUTES)
_LEGACY_PATHS: Final = _by_path(LEGACY_ROUTES)


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request leads.

    Attributes:
        route: the operation, or ``None`` if there is none at this path or with this method.
        room_id: the id in the path, decoded; empty if there is none.
        allowed: the methods that the path knows; none if the path is unknown.

    """

    route: Route | None = None
    room_id: str = ""
    allowed: tuple[str, ...] = ()

    def require(self) -> Route:
        """Give the operation.

        Raises:
            ServiceError: status 404 or 405; there is none.

        """
        if self.route is not None:
            return self.route
        raise problems.no_operation(self.allowed)


def find(method: str, path: str, *, legacy: bool = False) -> Match:
    """Find the operation for a method and a path as it is on the request line.

    Args:
        method: the HTTP method.
        path: the path, nothing decoded.
        legacy: whether the request is of the preview's api-version.

    """
    for pattern, routes in _LEGACY_PATHS if legacy else _PATHS:
        if match := pattern.fullmatch(path):
            room_id = unquote(match[1]) if match.re.groups else ""
            return Match(routes.get(method), room_id, tuple(routes))
    return Match()
