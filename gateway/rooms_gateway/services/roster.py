"""A room's roster as a whole, for answers that carry it beside the room."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from rooms_gateway import background
from rooms_gateway.call import Call
from rooms_gateway.errors import RosterTooLargeError
from rooms_gateway.upstream.models import Participant
from rooms_gateway.upstream.rooms_api import RoomsApi

A = TypeVar("A")
B = TypeVar("B")

MAX_ROSTER_BYTES = 3 * 1024 * 1024
"""Clients refuse messages over 4 MiB by default; the rest is for what stands beside the roster."""


async def read_roster(api: RoomsApi, room_id: str, call: Call) -> list[Participant]:
    """Read every page of a roster.

    Raises RosterTooLargeError as soon as it cannot fit into one message, and what RoomsApi raises.
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
            "the roster does not fit into one message: with a stable REST api-version, read it "
            "with acs.rooms.v1.ParticipantsService/ListParticipants"
        )


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Await both at the same time; the first failure is raised and ends the other."""
    tasks = (asyncio.ensure_future(first), asyncio.ensure_future(second))
    try:
        return await asyncio.gather(*tasks)
    finally:
        await background.end(*tasks)
