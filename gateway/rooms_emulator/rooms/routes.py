"""The routes of the Rooms REST API: a new operation is a row here and a method in `operations`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rooms_emulator.http.routing import Match, Route, Router
from rooms_emulator.rooms.legacy.operations import LegacyOperations as Legacy
from rooms_emulator.rooms.operations import Call, Operations

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"

ROUTES: tuple[Route[Legacy, Call], ...] = (
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
# All routes of api-version 2022-02-01.
LEGACY_ROUTES: tuple[Route[Legacy, Call], ...] = (
    Route("POST", "/rooms", "CreateRoom", Legacy.create_legacy_room, _JSON),
    Route("GET", "/rooms/{}", "GetRoom", Legacy.get_legacy_room),
    Route("PATCH", "/rooms/{}", "UpdateRoom", Legacy.update_legacy_room, _JSON),
    Route("DELETE", "/rooms/{}", "DeleteRoom", Legacy.delete_room),
    Route("GET", "/rooms/{}/participants", "GetParticipants", Legacy.get_participants),
    Route("POST", "/rooms/{}/participants:add", "AddParticipants", Legacy.add_participants, _JSON),
    Route(
        "POST",
        "/rooms/{}/participants:update",
        "UpdateParticipants",
        Legacy.change_participants,
        _JSON,
    ),
    Route(
        "POST",
        "/rooms/{}/participants:remove",
        "RemoveParticipants",
        Legacy.remove_participants,
        _JSON,
    ),
)
OPERATIONS = tuple(dict.fromkeys(route.operation for route in (*ROUTES, *LEGACY_ROUTES)))
"""Names of all operations."""

OPERATION_FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reads": ("GetRoom", "ListRooms", "ListParticipants", "GetParticipants"),
        "room-writes": ("CreateRoom", "UpdateRoom", "DeleteRoom"),
        "roster-writes": ("UpdateParticipants", "AddParticipants", "RemoveParticipants"),
    }
)
"""Operation families, which can share a quota; each operation is in one of them."""

_ROUTER = Router(ROUTES)
_LEGACY_ROUTER = Router(LEGACY_ROUTES)


def find(method: str, path: str, *, legacy: bool = False) -> Match[Legacy, Call]:
    """Route a method and a path, not decoded; `legacy` selects the routes of 2022-02-01."""
    return (_LEGACY_ROUTER if legacy else _ROUTER).find(method, path)
