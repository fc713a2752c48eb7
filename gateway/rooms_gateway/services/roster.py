"""Whole rosters, for responses that contain all participants in one message."""

from __future__ import annotations

from contextlib import aclosing

from rooms_gateway.call import Call
from rooms_gateway.errors import RosterTooLargeError
from rooms_gateway.upstream.models import Participant
from rooms_gateway.upstream.rooms_api import RoomsApi

MAX_ROSTER_BYTES = 3 * 1024 * 1024
"""Clients reject messages over 4 MiB by default; 1 MiB is left for the other fields."""


async def read_roster(api: RoomsApi, room_id: str, call: Call) -> list[Participant]:
    """Read all pages of a roster.

    Raises RosterTooLargeError as soon as the roster exceeds one message, and the errors of
    `RoomsApi`.
    """
    roster: list[Participant] = []
    size = 0
    async with aclosing(api.list_participants(room_id, None, 0, call)) as pages:
        async for page in pages:
            roster += page.items
            size += sum(len(each.raw_id) + len(each.role) for each in page.items)
            check_size(size)
    return roster


def check_size(size: int) -> None:
    """Raise RosterTooLargeError if a roster of `size` bytes does not fit into one message."""
    if size > MAX_ROSTER_BYTES:
        raise RosterTooLargeError(
            "the roster does not fit into one message: read it page by page with "
            "acs.rooms.v1.ParticipantsService/ListParticipants"
        )
